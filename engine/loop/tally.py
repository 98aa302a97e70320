"""Sums of one epoch, kept on the device until somebody asks."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from engine.loop.step import StepOutcome


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMeans:
    """What an epoch's sums come to, over all ranks."""

    loss: float
    """Mean step loss."""
    task_losses: tuple[float, ...]
    """Mean loss per task over its labelled samples; 0 for a task without any: what schedulers see."""
    defined_losses: tuple[float | None, ...]
    """The same, None for such a task: what people see."""
    active_shares: tuple[float, ...]
    """Share of the steps in which the task was trained."""


class EpochTally:
    """Adds up losses without ever waiting for the device."""

    def __init__(self, num_tasks: int, world_size: int, device: torch.device) -> None:
        """Begin at zero.

        Args:
            num_tasks: T.
            world_size: Number of ranks that tally the same steps.
            device: Where the losses are.
        """
        self._num_tasks = num_tasks
        self._world_size = world_size
        # [2T + 1]: this rank's share of each task's summed sample losses, of its labelled samples, and of the summed step loss.
        # float64: an epoch may have 10^5 steps.
        self._sums = torch.zeros(2 * num_tasks + 1, dtype=torch.float64, device=device)
        self._num_active = np.zeros(num_tasks, np.int64)
        self.num_steps = 0

    def add(self, outcome: StepOutcome, num_labelled: Float[Tensor, " task"]) -> None:
        """Add one step.

        Args:
            outcome: What it did on this rank.
            num_labelled: [T] labelled samples per task in the global batch.
        """
        self._sums += torch.cat([outcome.losses * num_labelled, num_labelled / self._world_size, outcome.step_loss.reshape(1)])
        self._num_active += outcome.trained
        self.num_steps += 1

    @property
    def sums(self) -> Float[Tensor, " sums"]:
        """This rank's sums; `means` takes what they add up to over the ranks."""
        return self._sums

    def means(self, sums: Float[Tensor, " sums"]) -> EpochMeans:
        """Return the epoch's means.

        Args:
            sums: `sums` added up over all ranks.
        """
        losses, labelled, step_loss = sums.cpu().split([self._num_tasks, self._num_tasks, 1])
        means = losses / labelled.clamp(min=1)
        return EpochMeans(
            loss=step_loss.item() / self.num_steps,
            task_losses=tuple(means.tolist()),
            defined_losses=tuple(mean if number else None for mean, number in zip(means.tolist(), labelled.tolist(), strict=True)),
            active_shares=tuple((self._num_active / self.num_steps).tolist()),
        )

    def load(self, sums: Float[Tensor, " sums"], num_active: list[int], num_steps: int) -> None:
        """Go on from the sums of a checkpoint."""
        self._sums.copy_(sums)
        self._num_active[:] = num_active
        self.num_steps = num_steps

    @property
    def num_active(self) -> list[int]:
        """Steps in which each task was trained so far."""
        return self._num_active.tolist()
