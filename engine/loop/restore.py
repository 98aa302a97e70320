"""How a run goes on from a checkpoint."""

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.loop.checkpoint import CHECKSUMS, STATE, Snapshot, read_checkpoint, read_state, unusable
from engine.loop.optimizer_state import in_words, join_state
from engine.loop.saved import saved_identity, saved_part, saved_position, saved_scaler, saved_tally
from engine.loop.state import Position, changing_tensors
from engine.loop.tally import EpochTally
from engine.loop.training_parts import TrainingParts
from engine.model.multitask import MultitaskModel
from engine.pipeline.fingerprint import check_fingerprint
from shards.errors import CheckpointError


def restore(parts: TrainingParts, path: Path, tally: EpochTally) -> Position:
    """Put a run into the state of a checkpoint.

    Raises:
        CheckpointError: The checkpoint is damaged or belongs to another run; the message names the file and each difference.
    """
    snapshot = read_checkpoint(path)
    state = snapshot.state
    _check_identity(parts.identity, path, state)
    with fits(path / STATE):
        epoch, step = saved_position(state)
        sums, num_active, num_steps = saved_tally(state, len(tally.num_active))
    position = Position(epoch=epoch, step=step)
    epochs = parts.config.train.epochs
    if (position.epoch, position.step) > (epochs, 0):
        raise CheckpointError(f"{path}: has done {position.in_words()}, and train.epochs is {epochs}; give at least as many")
    _load_weights(parts.module, path, _tensors_of(snapshot, path, "model"))
    optimizer_tensors = _tensors_of(snapshot, path, "optimizer")
    with fits(path / "optimizer.safetensors"):
        join_state(parts.raw_optimizer, optimizer_tensors, saved_part(state, "optimizer"))
    if parts.balancer is not None:
        memory = _tensors_of(snapshot, path, "balancer")
        with fits(path / "balancer.safetensors"):
            parts.balancer.load_tensors(memory)
    with fits(path / STATE):
        parts.scheduler.load_state_dict(saved_part(state, "scheduler"))
        parts.thresholds.load_state_dict(saved_part(state, "thresholds"))
        if parts.accelerator.scaler is not None:
            parts.accelerator.scaler.load_state_dict(saved_scaler(state))
        if epoch < epochs:
            # Which it cannot tell without the losses of the epochs before.
            parts.scheduler.probabilities(epoch)
    tally.load(_own_sums(parts, sums), num_active, num_steps)
    return position


def check_identity(identity: dict[str, str], path: Path, *, only: Container[str] | None = None) -> None:
    """Look whether a checkpoint belongs to this run.

    Args:
        identity: The run's.
        path: The checkpoint.
        only: Names that are looked at; all of them by default.

    Raises:
        CheckpointError: It belongs to another, and the message names each difference; or it is damaged.
    """
    _check_identity(identity, path, read_state(path), only)


def _check_identity(identity: dict[str, str], path: Path, state: Mapping[str, Any], only: Container[str] | None = None) -> None:
    with fits(path / STATE):
        saved = {name: value for name, value in saved_identity(state).items() if only is None or name in only}
    problem = f"{path / STATE}: the checkpoint belongs to another run"
    check_fingerprint(identity, saved, problem, "restore the setting, or use another run.dir")


@contextmanager
def fits(file: Path) -> Iterator[None]:
    """Raise a CheckpointError that names a file of a checkpoint if what it holds has not the form that this run writes."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        # Whatever it leads to: its checksum is right, so that this program wrote it, but for another run or in another version.
        problem = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise unusable(file, f"does not fit this run ({problem})") from error


def _tensors_of(snapshot: Snapshot, path: Path, name: str) -> dict[str, Tensor]:
    if name not in snapshot.tensors:
        raise unusable(path / CHECKSUMS, f"does not list {name}.safetensors")
    return snapshot.tensors[name]


def _load_weights(module: MultitaskModel, path: Path, saved: Mapping[str, Tensor]) -> None:
    changing, file = changing_tensors(module), path / "model.safetensors"
    if changing.keys() != saved.keys():
        name = min(changing.keys() ^ saved.keys())
        problem = f"lacks {name}, which this model trains" if name in changing else f"holds {name}, which this model does not train"
        raise unusable(file, problem)
    for name, tensor in changing.items():
        if tensor.shape != saved[name].shape or tensor.dtype != saved[name].dtype:
            raise unusable(file, f"holds {name} as {in_words(saved[name])}, and this model's is {in_words(tensor)}")
    with torch.no_grad():
        for name, tensor in changing.items():
            tensor.copy_(saved[name])


def _own_sums(parts: TrainingParts, rows: list[list[float]]) -> Tensor:
    sums = torch.tensor(rows, dtype=torch.float64)
    if len(sums) == parts.accelerator.num_processes:
        return sums[parts.accelerator.process_index]
    # Another number of ranks: the first takes all.
    return sums.sum(0) if parts.accelerator.is_main_process else torch.zeros_like(sums[0])
