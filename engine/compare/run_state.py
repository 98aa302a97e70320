"""What of a planned run is there already."""

import os
from typing import Literal

from engine.command_line import parse
from engine.compare.comparison import PlannedRun
from engine.journal.history import resume_history
from engine.journal.predictions import PREDICTIONS
from engine.run.folder import CONFIG_FILE
from engine.settings import differences
from shards.errors import ConfigurationError
from shards.storage.lock import LOCK

State = Literal["absent", "unfinished", "diverged", "finished"]
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
    has_ended = history.status == "finished" and history.run.epochs == run.config.train.epochs
    return "finished" if has_ended and answered else "unfinished"


def _check_settings(run: PlannedRun) -> None:
    path = run.config.run.dir / CONFIG_FILE
    try:
        before = parse(["--config", str(path)])
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; the run is of another version of this program: {_OTHER}") from error
    changes = list(differences(before, run.config))
    if changes:
        raise ConfigurationError(f"{run.config.run.dir}: holds a run with other settings: {'; '.join(changes)}; {_OTHER}")
