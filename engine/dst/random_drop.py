"""Dropping tasks at random."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.dst.dropping import TaskDropping
from engine.dst.scheduler import RunFacts


class RandomDrop(TaskDropping):
    """P(k, t) = 1 - p, with p the configured rate: dropping that knows nothing of the tasks.

    What a scheduler with signals has to beat. A step in which all T tasks were dropped keeps one of them, so each task is trained in a
    share 1 - p + p^T / T of the steps; a single task in all of them.
    """

    def __init__(self, run: RunFacts, *, rate: float, granularity: Literal["step", "epoch"] = "step") -> None:
        """Begin with no epoch.

        Args:
            run: The run.
            rate: p, from 0 to below 1.
            granularity: How often tasks are drawn.
        """
        super().__init__(run, granularity=granularity)
        self._rate = rate

    def _probabilities(self, epoch: int) -> NDArray[np.float64]:
        return np.full(self.before(epoch).shape[1], 1 - self._rate)
