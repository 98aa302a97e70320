"""The folder of one run."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from engine.journal.journal import FILE_NAME as JOURNAL
from engine.journal.predictions import PREDICTIONS
from engine.loop.checkpoint import CHECKPOINTS
from engine.loop.weights_file import WEIGHTS
from engine.report.outputs import REPORT_FILES
from shards.errors import ConfigurationError
from shards.files import TEMPORARY, is_one_of
from shards.storage.lock import LOCK, lock_folder

IfExists = Literal["refuse", "resume", "replace"]
CONFIG_FILE = "config.yaml"
_OURS = (CONFIG_FILE, JOURNAL, WEIGHTS, PREDICTIONS, CHECKPOINTS, *REPORT_FILES)


@contextmanager
def own_folder(folder: Path, if_exists: IfExists) -> Iterator[None]:
    """Make the run folder, or deal with what is in it, and keep other trainings out for the length of the block.

    Raises:
        ConfigurationError: It holds a run that must not be touched or is being trained, something that is no run, or cannot be written.
    """
    with lock_folder(folder, work="training"):
        check_folder(folder, if_exists)
        _remove(folder, [name for name in _names(folder) if if_exists == "replace" or TEMPORARY.fullmatch(name)])
        yield


def check_folder(folder: Path, if_exists: IfExists) -> None:
    """Look whether `own_folder` would be content with what is in the run folder, and touch nothing.

    Raises:
        ConfigurationError: It holds a run that must not be touched, or something that is no run, or cannot be written.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    problem = "is no folder" if not existing.is_dir() else "is not writable" if not os.access(existing, os.W_OK | os.X_OK) else None
    if problem:
        raise ConfigurationError(f"run.dir {folder}: cannot be used ({existing} {problem})")
    names = _names(folder) if folder.is_dir() else []
    if names and if_exists == "refuse":
        raise ConfigurationError(f"run.dir {folder}: is not empty; add --run.if_exists resume or replace, or name another folder")
    if names and JOURNAL not in names:
        raise ConfigurationError(f"run.dir {folder}: is not empty and holds no run; name another folder")
    foreign = sorted(name for name in names if not is_one_of(name, _OURS))
    if foreign and if_exists == "replace":
        raise ConfigurationError(f"run.dir {folder}: holds {foreign[0]!r}, which no run wrote; move it, or name another folder")


def _names(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name != LOCK]


def _remove(folder: Path, names: Sequence[str]) -> None:
    """Remove an earlier run's files, or what a killed process left of some."""
    try:
        for path in (folder / name for name in names):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise ConfigurationError(f"run.dir {folder}: cannot be used ({error.strerror})") from error
