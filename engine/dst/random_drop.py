"""Dropping tasks at random."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.config import SchedulerConfig
from engine.dst.dropping import TaskDropping


class RandomDrop(TaskDropping):
    """P(k, t) = 1 - p, with p the configured rate: dropping that knows nothing of the tasks.

    What a scheduler with signals has to beat. A step in which all T tasks were dropped keeps one of them, so each task is trained in a
    share 1 - p + p^T / T of the steps; a single task in all of them.
    """

    def __init__(self, config: SchedulerConfig, tasks: Sequence[str], *, seed: int) -> None:
        """Begin with no epoch.

        Args:
            config: Rate and granularity.
            tasks: Task names.
            seed: The run's seed.
        """
        super().__init__(tasks, seed=seed, granularity=config.granularity)
        self._rate = config.rate

    def _probabilities(self, epoch: int) -> NDArray[np.float64]:
        return np.full(self.before(epoch).shape[1], 1 - self._rate)
