"""What a checkpoint of a training run holds, and how a run goes on from it."""

from collections.abc import Container
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.loop.checkpoint import Snapshot
from engine.loop.optimizer_state import join_state, split_state
from engine.loop.saved import saved_identity, saved_part, saved_position, saved_scaler, saved_tally
from engine.loop.tally import EpochTally
from engine.loop.training_parts import TrainingParts
from engine.model.multitask import MultitaskModel
from engine.pipeline.fingerprint import check_fingerprint
from shards.errors import CheckpointError, ConfigurationError, DivergenceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """The next step to be done."""

    epoch: int = 0
    """From 0; equal to the number of epochs when training is over."""
    step: int = 0
    """Step inside the epoch; equal to the number of steps when only the epoch's end is to be done."""

    def in_words(self) -> str:
        """Return how much has been done.

        >>> Position(epoch=1, step=12).in_words(), Position(epoch=2).in_words(), Position().in_words()
        ('1 epoch and 12 steps', '2 epochs', '0 steps')
        """
        epochs = [f"{self.epoch} epoch{'s' if self.epoch != 1 else ''}"] if self.epoch else []
        steps = [f"{self.step} step{'s' if self.step != 1 else ''}"] if self.step or not self.epoch else []
        return " and ".join(epochs + steps)


def take_snapshot(parts: TrainingParts, position: Position, tally: EpochTally) -> Snapshot:
    """Return everything a run needs to go on as if it had never stopped. A collective call: every rank takes part.

    There is no random state in it, because every use of chance is seeded by (seed, epoch, step).

    Raises:
        DivergenceError: A weight is not finite; a checkpoint of it would be worth nothing.
    """
    check_weights(parts.module)
    optimizer_tensors, optimizer_rest = split_state(parts.raw_optimizer)
    scaler = parts.accelerator.scaler
    tensors = {"model": changing_tensors(parts.module), "optimizer": optimizer_tensors}
    if parts.balancer is not None:
        tensors["balancer"] = parts.balancer.tensors()
    return Snapshot(
        tensors=tensors,
        state={
            "identity": parts.identity,
            "epoch": position.epoch,
            "step": position.step,
            "scheduler": parts.scheduler.state_dict(),
            "thresholds": parts.thresholds.state_dict(),
            "optimizer": optimizer_rest,
            "scaler": None if scaler is None else scaler.state_dict(),
            "tally": {
                # One row per rank: added up in another order, the epoch's mean could differ in its last digit.
                "sums": parts.accelerator.gather(tally.sums[None]).tolist(),
                "num_active": tally.num_active,
                "num_steps": tally.num_steps,
            },
        },
    )


def restore(parts: TrainingParts, snapshot: Snapshot, tally: EpochTally) -> Position:
    """Put a run into the state of a snapshot.

    Raises:
        CheckpointError: The snapshot belongs to another run; the message names each difference.
    """
    state = snapshot.state
    check_identity(parts.identity, snapshot)
    epoch, step = saved_position(state)
    position = Position(epoch=epoch, step=step)
    epochs = parts.config.train.epochs
    if (position.epoch, position.step) > (epochs, 0):
        raise CheckpointError(f"the checkpoint has done {position.in_words()}, and train.epochs is {epochs}; give at least as many")
    changing = changing_tensors(parts.module)
    saved = snapshot.tensors.get("model", {})
    if changing.keys() != saved.keys() or any(saved[name].shape != tensor.shape for name, tensor in changing.items()):
        raise CheckpointError("the checkpoint holds other weights than this model trains")
    scaler, tally_before = parts.accelerator.scaler, saved_tally(state, len(tally.num_active))
    try:
        with torch.no_grad():
            for name, tensor in changing.items():
                tensor.copy_(saved[name])
        join_state(parts.raw_optimizer, snapshot.tensors.get("optimizer", {}), saved_part(state, "optimizer"))
        parts.scheduler.load_state_dict(saved_part(state, "scheduler"))
        parts.thresholds.load_state_dict(saved_part(state, "thresholds"))
        if parts.balancer is not None:
            parts.balancer.load_tensors(snapshot.tensors.get("balancer", {}))
        if scaler is not None:
            scaler.load_state_dict(saved_scaler(state))
        if epoch < epochs:
            # Which it cannot tell of without the losses of the epochs before.
            parts.scheduler.probabilities(epoch)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"the checkpoint does not fit this run: {error}") from error
    sums, num_active, num_steps = tally_before
    tally.load(_own_sums(parts, sums), num_active, num_steps)
    return position


def check_identity(identity: dict[str, str], snapshot: Snapshot, *, only: Container[str] | None = None) -> None:
    """Raise a CheckpointError that names each difference if a snapshot belongs to another run; look at some names `only` if wished."""
    problem = "checkpoint belongs to another run"
    saved = {name: value for name, value in saved_identity(snapshot.state).items() if only is None or name in only}
    check_fingerprint(identity, saved, problem, "restore the setting, or use another run.dir")


def check_same_position(parts: TrainingParts, position: Position) -> None:
    """Raise a ConfigurationError on every rank if they would begin at different places. A collective call."""
    own = torch.tensor([[position.epoch, position.step]], device=parts.accelerator.device)
    found = parts.accelerator.gather(own).tolist()
    other = next((rank for rank, place in enumerate(found) if place != found[0]), None)
    if other is not None:
        first, its = (Position(epoch=epoch, step=step).in_words() for epoch, step in (found[0], found[other]))
        raise ConfigurationError(
            f"run.dir {parts.run_dir}: process 0 goes on after {first}, and process {other} after {its}; "
            "name a folder that all processes have in common"
        )


def check_weights(module: MultitaskModel) -> None:
    """Raise a DivergenceError that names the first trained tensor with a value that is not finite."""
    for name, tensor in changing_tensors(module).items():
        if not tensor.isfinite().all():
            raise DivergenceError(
                f"{name} holds values that are not finite; lower optimizer.lr, or go on from the last checkpoint with bf16"
            )


def changing_tensors(module: MultitaskModel) -> dict[str, Tensor]:
    """Return the trained parameters and all statistics, by name; the rest stays what it was loaded or drawn as."""
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    return trained | module.statistics()


def _own_sums(parts: TrainingParts, rows: list[list[float]]) -> Tensor:
    sums = torch.tensor(rows, dtype=torch.float64)
    if len(sums) == parts.accelerator.num_processes:
        return sums[parts.accelerator.process_index]
    # Another number of ranks: the first takes all.
    return sums.sum(0) if parts.accelerator.is_main_process else torch.zeros_like(sums[0])
