"""How the files in this folder start: in one line to the function behind them, or to what is missing."""

import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start(module: str) -> None:
    """Call a module's `main`.

    Args:
        module: Its name.
    """
    sys.path.insert(0, str(ROOT))
    import_module("engine.home").leave_home_alone()
    try:
        main = import_module(module).main
    except ModuleNotFoundError as error:
        if (ROOT / ".venv").is_dir():
            remedy = f"source {ROOT}/.venv/bin/activate"
        else:
            remedy = f"make -C {ROOT} .venv/.installed && source {ROOT}/.venv/bin/activate"
        tool = Path(sys.argv[0]).name
        sys.exit(f"error: tools/{tool} needs the package {error.name!r}, which {sys.executable} lacks; first run: {remedy}")
    except KeyboardInterrupt:
        # Before the command could see to it; the code is a shell's for a process that SIGINT ended.
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    main()
