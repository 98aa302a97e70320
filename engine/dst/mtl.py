"""Plain multitask learning: every task in every step."""

import numpy as np
from numpy.typing import NDArray

from engine.dst.history import LossHistory


class AllTasks(LossHistory):
    """P(k, t) = 1: the baseline against which dropping tasks is measured."""

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: ones."""
        return np.ones(self.before(epoch).shape[1])

    def mask(self, epoch: int, step: int) -> NDArray[np.bool_]:  # noqa: ARG002 (the protocol's arguments)
        """Return [T]: all on."""
        return np.ones(len(self.tasks), np.bool_)
