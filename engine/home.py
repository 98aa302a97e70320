"""The user's home folder, in which no command writes."""

import os
import tempfile
from pathlib import Path


def leave_home_alone() -> None:
    """Let matplotlib keep its list of fonts in the system's folder for temporary files, unless MPLCONFIGDIR names another.

    For commands only: a program that imports this package keeps its own settings.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / f"matplotlib-{os.getuid()}"))
