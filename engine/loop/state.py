"""What a checkpoint of a training run holds."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.loop.checkpoint import Snapshot
from engine.loop.optimizer_state import split_state
from engine.loop.tally import EpochTally
from engine.loop.training_parts import TrainingParts
from engine.model.multitask import MultitaskModel
from shards.errors import ConfigurationError, DivergenceError


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
