"""Plain multitask learning: every task in every step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dst.history import LossHistory


class AllTasks:
    """P(k, t) = 1: the baseline against which dropping tasks is measured."""

    def __init__(self, tasks: Sequence[str]) -> None:
        """Begin with no epoch.

        Args:
            tasks: Task names.
        """
        self._history = LossHistory(tasks)

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: ones."""
        return np.ones(self._history.before(epoch).shape[1])

    def mask(self, epoch: int, step: int) -> NDArray[np.bool_]:  # noqa: ARG002 (the protocol's arguments)
        """Return [T]: all on."""
        return np.ones(len(self._history.tasks), np.bool_)

    def observe(self, epoch: int, losses: Sequence[float]) -> None:
        """Check that the epoch's losses are finite; they change nothing."""
        self._history.observe(epoch, losses)

    def state_dict(self) -> dict[str, Any]:
        """Return the losses seen so far."""
        return self._history.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._history.load_state_dict(state)
