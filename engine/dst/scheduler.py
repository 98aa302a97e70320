"""What a task scheduler is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """What a scheduler is told of its run."""

    tasks: tuple[str, ...]
    """Names of the T tasks, in label order."""
    depths: tuple[int, ...]
    """[T] weight layers from the image to each task's output."""
    counts: tuple[int, ...]
    """[T] training samples per task that count (`scheduler.count_of`)."""
    seed: int
    """The run's seed."""
    steps_per_epoch: int
    """Optimiser steps per epoch."""


@runtime_checkable
class Scheduler(Protocol):
    """Decides which tasks are trained in which step.

    A class that keeps this contract is a scheduler; deriving it from `LossHistory` gives it all but `probabilities` and `mask`. It is built
    with `RunFacts` and, by keyword, its settings: `Class(run, rate=0.3)`.

    Protocol of a run: `probabilities(epoch)` and `loss_weights(epoch)` during an epoch; in each step `wants_gradients(epoch, step)`, if it
    does `observe_gradients`, then `mask(epoch, step)`; then `observe(epoch, losses)` once, with the same numbers on every rank, before
    the next epoch begins. Everything is a function of what was observed, the seed, the epoch and the step, whatever was asked for
    before: ranks agree without talking, and a resumed run draws the same masks. Arrays that are returned belong to the caller.
    """

    drops_tasks: bool
    """Whether it leaves tasks out of steps. The same for all objects of the class."""

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: P(k, t), in (0, 1], from finished epochs only: the share of the epoch's steps in which each task is to be trained.

        Args:
            epoch: Epoch, from 0; all epochs before it must have been observed.
        """
        ...

    def mask(self, epoch: int, step: int) -> NDArray[np.bool_]:
        """Return [T]: which tasks are trained in a step; at least one."""
        ...

    def loss_weights(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: the factor, above 0, on each task's loss in the step loss Σ mask·w·L / T; mean losses are reported without it."""
        ...

    def wants_gradients(self, epoch: int, step: int) -> bool:
        """Return whether to be told of the tasks' gradients before this step's mask is asked for.

        Each time costs a backward pass per task.
        """
        ...

    def observe_gradients(self, epoch: int, step: int, products: NDArray[np.float64]) -> None:
        """Take in [T, T]: the inner products g_i · g_j of the gradients of the tasks' mean losses over the step's global batch.

        The gradients are those on the trained layers that several tasks share; norms are on the diagonal, squared. 0 for a task without a
        label in the batch.
        """
        ...

    def observe(self, epoch: int, losses: Sequence[float]) -> None:
        """Take in the tasks' mean training losses V of a finished epoch.

        Raises:
            DivergenceError: A loss is not finite; the message names the task.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the memory in plain JSON types."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: It belongs to other tasks, or to other loss weights.
        """
        ...
