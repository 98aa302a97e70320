"""`dropstream`: every command under one name. In a checkout the files in `tools/` and `engine/train.py` call the same functions."""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from engine.home import leave_home_alone
from shards.streams import outlast_readers
from shards.version import tool_version

COMMANDS = {
    "pack": ("shards.packing.pack", "pack a folder of images and its attribute table into shards, once per data set"),
    "check": ("shards.check.command", "check a packed data set, or make anew what stands beside its tars"),
    "train": ("engine.train", "train; on several GPUs: accelerate launch --module engine.train"),
    "compare": ("engine.compare.command", "train under several schedulers and seeds, and report what is more than chance"),
    "report": ("engine.report.command", "report on a run from its records"),
    "faces": ("shards.faces.write", "draw faces whose attributes can be seen, in CelebA's layout (extra: demo)"),
}
"""Command -> module whose `main` it is, and what it does."""
_EXTRAS = {"cv2": "demo"}
"""Package that not everybody has -> the extra that brings it."""


def usage() -> str:
    """Return what `dropstream --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: dropstream COMMAND [options]", "", *lines, "", "dropstream COMMAND --help lists a command's options."])


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code.

    Args:
        arguments: The command and its own arguments; by default those of the process.
    """
    outlast_readers()
    leave_home_alone()
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    if name in ("", "-h", "--help", "help"):
        print(usage())
        sys.exit(0 if name else 2)
    if name == "--version":
        print(f"dropstream {tool_version()}")
        sys.exit(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {near[0]!r}" if near else f"; there are {', '.join(COMMANDS)}"
        print(f"error: dropstream has no command {name!r}{hint}", file=sys.stderr)
        sys.exit(2)
    # Commands look at the process's arguments, and name themselves as they were called.
    sys.argv = [f"dropstream {name}", *rest[:-1]]
    try:
        module = import_module(COMMANDS[name][0])
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        print(f"error: dropstream {name} needs an extra: pip install 'dropstream[{_EXTRAS[error.name]}]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        # As in `shards.command.with_exit_code`, which has not been reached.
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    module.main()
    sys.exit(0)


if __name__ == "__main__":
    main()
