"""What of a planned run is there already."""

import dataclasses
import os
from pathlib import Path
from typing import Literal

from engine.command_line import parse
from engine.compare.plan import PlannedRun
from engine.config import Config
from engine.loop.predictions import PREDICTIONS
from engine.report.journal import resume_history
from engine.run_folder import CONFIG_FILE
from shards.errors import ConfigurationError
from shards.storage.lock import LOCK

State = Literal["absent", "unfinished", "diverged", "finished"]
_WHICH_DATA = ("data.shards", "data.cache", "data.limit", "data.keys")
"""Settings that say where the data are: what they came to is compared by its hashes."""
_FREE_SETTINGS = ("run.dir", "run.if_exists", "report.console", "report.every", "report.page", *_WHICH_DATA)
"""Settings that do not decide a run's result."""
_OTHER = "use another --out, or remove that folder to train the run anew"


def state_of(run: PlannedRun, data: str) -> State:
    """Return how far a run is.

    A finished run whose answers to the test split are missing counts as unfinished: resuming it writes them.

    Args:
        run: The run.
        data: What tells the data from others, as its record would.

    Raises:
        ConfigurationError: The folder holds a run with other settings or of other data; the difference is named.
        DataError: Its records are damaged.
    """
    folder = run.config.run.dir
    history = resume_history(folder)
    if (folder / CONFIG_FILE).exists():
        _check_settings(run)
    elif history.processes:
        raise ConfigurationError(f"{folder}: holds a run without {CONFIG_FILE}, whose settings nobody knows; {_OTHER}")
    if history.processes and history.run.data != data:
        raise ConfigurationError(f"{folder}: holds a run of other data: {history.run.data}; now it is {data}; {_OTHER}")
    if not history.processes:
        return "unfinished" if folder.is_dir() and set(os.listdir(folder)) - {LOCK} else "absent"
    if history.status == "diverged":
        # Resumed, it would only do the same again.
        return "diverged"
    answered = (folder / PREDICTIONS).exists() or not history.split("test")
    return "finished" if history.status == "finished" and answered else "unfinished"


def _check_settings(run: PlannedRun) -> None:
    path = run.config.run.dir / CONFIG_FILE
    try:
        before = parse(["--config", str(path)])
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; the run is of another version of this program: {_OTHER}") from error
    changes = differences(before, run.config)
    if changes:
        raise ConfigurationError(f"{run.config.run.dir}: holds a run with other settings: {'; '.join(changes)}; {_OTHER}")


def differences(before: Config, now: Config) -> list[str]:
    """Return in words what of two configurations differs and decides results."""
    old, new = _settings(before), _settings(now)
    return [f"{name} was {old[name]}, is {value}" for name, value in new.items() if not _is_same(old[name], value, before, now)]


def _settings(config: Config) -> dict[str, object]:
    sections = dataclasses.asdict(config)
    flat = {f"{section}.{key}": value for section, keys in sections.items() for key, value in keys.items()}
    return {name: value for name, value in flat.items() if name not in _FREE_SETTINGS}


def _is_same(old: object, new: object, before: Config, now: Config) -> bool:
    if old == new:
        return True
    if not (isinstance(old, str | Path) and isinstance(new, str | Path)):
        return False
    # The same folder under another name; or beside the run in the same way, in a comparison that was moved or called from elsewhere.
    beside = isinstance(old, Path) and os.path.relpath(old, before.run.dir) == os.path.relpath(new, now.run.dir)
    return beside or Path(old).resolve() == Path(new).resolve()
