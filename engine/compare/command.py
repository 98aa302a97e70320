"""`tools/compare`: schedulers and seeds on one data set, and an honest report."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from engine.compare.arguments import take_apart
from shards.command import DEBUG_FLAG, with_exit_code
from shards.errors import ConfigurationError, Interrupted
from shards.signals import interrupt_on_stop


def compare(arguments: Sequence[str]) -> None:
    """Carry out the command.

    Raises:
        DropstreamError: Whatever the user can mend; see `shards.errors`.
    """
    options, settings = take_apart(arguments)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigurationError("a comparison's runs train in one process each; start tools/compare itself, without a launcher")
    try:
        # Imported here: neither help nor a wrong option waits for torch.
        from engine.compare.session import run_comparison

        run_comparison(options, settings)
    except KeyboardInterrupt as error:
        raise Interrupted("stopped by a signal; the same command goes on") from error


def main() -> NoReturn:
    """Run the command on the process's arguments and exit with the documented code."""
    interrupt_on_stop()
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]
    with_exit_code(lambda: compare(arguments), debug=len(arguments) != len(sys.argv) - 1)
