"""The folder of one run."""

import os
import shutil
from pathlib import Path
from typing import Literal

from engine.report.journal import FILE_NAME as JOURNAL
from shards.errors import ConfigurationError

CONFIG_FILE = "config.yaml"


def prepare_folder(folder: Path, if_exists: Literal["refuse", "resume", "replace"]) -> None:
    """Make the run folder, or deal with what is in it.

    Raises:
        ConfigurationError: It holds a run that must not be touched, something that is no run, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = os.listdir(folder)
        if names and if_exists == "refuse":
            raise ConfigurationError(f"run.dir {folder}: is not empty; add --run.if_exists resume or replace, or name another folder")
        if names and CONFIG_FILE not in names and JOURNAL not in names:
            raise ConfigurationError(f"run.dir {folder}: is not empty and holds no run; name another folder")
        if if_exists == "replace":
            shutil.rmtree(folder)
            folder.mkdir()
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"run.dir {folder}: cannot be used ({error.strerror})") from error
