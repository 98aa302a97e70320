"""The folder of one run."""

import os
import shutil
from pathlib import Path
from typing import Literal

from engine.loop.predictions import PREDICTIONS, TEMPORARY
from engine.loop.trainer import CHECKPOINTS, WEIGHTS
from engine.report.journal import FILE_NAME as JOURNAL
from engine.report.outputs import REPORT_FILES
from shards.errors import ConfigurationError

CONFIG_FILE = "config.yaml"
_OURS = (CONFIG_FILE, JOURNAL, WEIGHTS, f".{WEIGHTS}.tmp", PREDICTIONS, TEMPORARY, CHECKPOINTS, *REPORT_FILES)


def prepare_folder(folder: Path, if_exists: Literal["refuse", "resume", "replace"]) -> None:
    """Make the run folder, or deal with what is in it.

    Raises:
        ConfigurationError: It holds a run that must not be touched, something that is no run, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_folder(folder, if_exists)
        if if_exists == "replace":
            _empty(folder, os.listdir(folder))
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"run.dir {folder}: cannot be used ({error.strerror})") from error


def check_folder(folder: Path, if_exists: Literal["refuse", "resume", "replace"]) -> None:
    """Look whether `prepare_folder` would be content with what is in the run folder, and touch nothing.

    Raises:
        ConfigurationError: It holds a run that must not be touched, or something that is no run.
    """
    names = os.listdir(folder) if folder.is_dir() else []
    if names and if_exists == "refuse":
        raise ConfigurationError(f"run.dir {folder}: is not empty; add --run.if_exists resume or replace, or name another folder")
    if names and JOURNAL not in names:
        raise ConfigurationError(f"run.dir {folder}: is not empty and holds no run; name another folder")


def _empty(folder: Path, names: list[str]) -> None:
    """Remove an earlier run's files, and nothing else."""
    foreign = sorted(set(names) - set(_OURS))
    if foreign:
        raise ConfigurationError(f"run.dir {folder}: holds {foreign[0]!r}, which no run wrote; move it, or name another folder")
    for name in names:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
