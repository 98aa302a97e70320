"""What a task scheduler is."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Scheduler(Protocol):
    """Decides which tasks are trained in which step.

    Protocol of a run: `probabilities(epoch)`, `loss_weights(epoch)` and `mask(epoch, step)` during an epoch, then
    `observe(epoch, losses)` once, with the same numbers on every rank, before the next epoch begins. Everything is a function of what
    was observed, the seed, the epoch and the step, whatever was asked for before: ranks agree without talking, and a resumed run
    draws the same masks. Arrays that are returned belong to the caller.
    """

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: P(k, t), in (0, 1], from finished epochs only.

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
