"""What a resumed run finds in its folder: a run to go on with, one that is finished, or nothing."""

import dataclasses
from pathlib import Path

from engine.command_line import parse
from engine.config import Config
from engine.loop.checkpoint import CHECKPOINTS, latest_checkpoint, read_checkpoint
from engine.loop.state import check_identity
from engine.report.journal import resume_history
from engine.run_folder import CONFIG_FILE
from shards.errors import CheckpointError, ConfigurationError

_FREE = {
    "run.dir",
    "run.if_exists",
    "data.shards",
    "data.cache",
    "features.dir",
    "train.micro_batch_size",
    "train.checkpoint_every",
    "report.console",
    "report.every",
    "report.page",
}
"""Settings that may differ between the two halves of a run."""


def is_finished(config: Config, identity: dict[str, str]) -> bool:
    """Return whether the run to be resumed has reached its end.

    Args:
        config: The run that is asked for.
        identity: What is known of it before its model is built.

    Raises:
        CheckpointError: It has, with other settings or data than those asked for.
        DataError: Its records are damaged.
    """
    if config.run.if_exists != "resume" or resume_history(config.run.dir).status != "finished":
        return False
    newest = latest_checkpoint(config.run.dir / CHECKPOINTS)
    if newest is not None:
        check_identity(identity, read_checkpoint(newest), only=identity)
    elif differing := _differences(config):
        raise CheckpointError(
            f"run.dir {config.run.dir}: its run is finished and its checkpoints are gone, and it had other settings: {differing}; "
            "name another folder, or train it anew with --run.if_exists replace"
        )
    return True


def what_begins_anew(config: Config) -> str | None:
    """Return, in words, why a run that was to be resumed begins anew; None if it goes on.

    Raises:
        CheckpointError: A run began there with other settings, and has no checkpoint that could tell.
        DataError: Its records are damaged.
    """
    folder = config.run.dir
    if config.run.if_exists != "resume" or latest_checkpoint(folder / CHECKPOINTS) is not None:
        return None
    if not resume_history(folder).processes:
        return f"run.dir {folder}: holds no run yet; begins anew"
    if differing := _differences(config):
        raise CheckpointError(
            f"run.dir {folder}: a run began there with other settings and left no checkpoint: {differing}; name another folder, or train "
            "anew with --run.if_exists replace"
        )
    return f"run.dir {folder}: its run left no checkpoint yet; begins anew"


def _differences(config: Config) -> str:
    """Return what differs from the run's own settings, in words; nothing where these are not known."""
    try:
        before = _settings(parse([f"--config={config.run.dir / CONFIG_FILE}", f"--run.dir={config.run.dir}", "--run.if_exists=refuse"]))
    except ConfigurationError:
        # Gone, or of another version of this program.
        return ""
    now = _settings(config)
    return "; ".join(f"{name} was {before[name]}, is {now[name]}" for name in now if name not in _FREE and before[name] != now[name])


def _settings(config: Config) -> dict[str, object]:
    sections = dataclasses.asdict(config)
    return {f"{section}.{key}": _plain(value) for section, keys in sections.items() for key, value in keys.items()}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
