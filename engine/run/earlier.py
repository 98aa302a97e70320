"""What a resumed run finds in its folder: a run to go on with, one that is finished, or nothing."""

from engine.command_line import parse
from engine.config import Config
from engine.journal.history import RunHistory, resume_history
from engine.loop.checkpoint import CHECKPOINTS, latest_checkpoint
from engine.loop.restore import check_identity
from engine.run.folder import CONFIG_FILE
from engine.settings import differences
from shards.errors import CheckpointError, ConfigurationError


def is_finished(config: Config, identity: dict[str, str], data: str) -> bool:
    """Return whether the run to be resumed has reached its end.

    Args:
        config: The run that is asked for.
        identity: What is known of it before its model is built.
        data: What tells its data from others, as its record would.

    Raises:
        CheckpointError: It has, with other settings or data than those asked for.
        DataError: Its records are damaged.
    """
    folder, wanted = config.run.dir, config.train.epochs
    if config.run.if_exists != "resume":
        return False
    history = resume_history(folder)
    if history.status != "finished":
        return False
    newest, done = latest_checkpoint(folder / CHECKPOINTS), history.run.epochs
    if newest is not None:
        check_identity(identity, newest, only=identity)
    elif differing := _differences(config, history, data):
        raise CheckpointError(
            f"run.dir {folder}: its run is finished and its checkpoints are gone, and it had other settings: {differing}; "
            "name another folder, or train it anew with --run.if_exists replace"
        )
    if wanted < done or (wanted > done and newest is None):
        why = "" if newest else ", and its checkpoints are gone"
        raise CheckpointError(
            f"run.dir {folder}: its run is finished after {done} epochs{why}, and train.epochs is {wanted}; name another folder, or train "
            "it anew with --run.if_exists replace"
        )
    return wanted == done


def what_begins_anew(config: Config, data: str) -> str | None:
    """Return, in words, why a run that was to be resumed begins anew; None if it goes on.

    Args:
        config: The run that is asked for.
        data: What tells its data from others, as its record would.

    Raises:
        CheckpointError: A run began there with other settings, and has no checkpoint that could tell.
        DataError: Its records are damaged.
    """
    folder = config.run.dir
    if config.run.if_exists != "resume" or latest_checkpoint(folder / CHECKPOINTS) is not None:
        return None
    history = resume_history(folder)
    if not history.processes:
        return f"run.dir {folder}: holds no run yet; begins anew"
    if differing := _differences(config, history, data):
        raise CheckpointError(
            f"run.dir {folder}: a run began there with other settings and left no checkpoint: {differing}; name another folder, or train "
            "anew with --run.if_exists replace"
        )
    return f"run.dir {folder}: its run left no checkpoint yet; begins anew"


def _differences(config: Config, history: RunHistory, data: str) -> str:
    """Return what differs from the run's own settings and data, in words; of the settings nothing where they are not known."""
    found = [] if history.run.data == data else [f"its data were {history.run.data}, are {data}"]
    try:
        before = parse([f"--config={config.run.dir / CONFIG_FILE}", f"--run.dir={config.run.dir}", "--run.if_exists=refuse"])
    except ConfigurationError:
        # Gone, or of another version of this program.
        return "; ".join(found)
    return "; ".join([*differences(before, config), *found])
