"""Dropped Scheduled Task."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.dst.dropping import TaskDropping
from engine.dst.scheduler import RunFacts
from engine.dst.signals import count_metric, depth_metric, incompleteness_metric, stagnancy_metric


class DroppedScheduledTask(TaskDropping):
    """P(k, t) = λd·Pd + λc·Pc + λu·Pu + λr·Pr + λb·1, with weights λ >= 0 that sum to 1.

    Pd (depth) and Pc (label count) stay the same for the whole run; Pu (training incompleteness) and Pr (network stagnancy) follow the
    losses of finished epochs. Pu is 1 before there is an epoch to look back on, Pr before there are two. The constant keeps every
    task alive: P >= λb. `engine.dst.signals` has the formulas, docs/dst.md a history worked out by hand.

    Source: Malhotra, Vatsa and Singh, TMLR 2023. The paper does not publish its weights; the default here is 0.2 each.
    """

    def __init__(
        self,
        run: RunFacts,
        *,
        depth: float,
        count: float,
        incompleteness: float,
        stagnancy: float,
        regulariser: float,
        granularity: Literal["step", "epoch"] = "step",
    ) -> None:
        """Compute the constant part.

        Args:
            run: The run.
            depth: λd.
            count: λc.
            incompleteness: λu.
            stagnancy: λr.
            regulariser: λb.
            granularity: How often tasks are drawn.
        """
        super().__init__(run, granularity=granularity)
        self._incompleteness, self._stagnancy = incompleteness, stagnancy
        constant = (depth_metric(np.array(run.depths, np.float64)), count_metric(np.array(run.counts, np.float64)), np.ones(len(run.tasks)))
        self._constant = np.tensordot((depth, count, regulariser), np.stack(constant), axes=1)

    def _probabilities(self, epoch: int) -> NDArray[np.float64]:
        history = self.before(epoch)
        incompleteness = stagnancy = np.ones(len(self.tasks))
        if epoch >= 1:
            incompleteness = incompleteness_metric(history[0], history[-1])
        if epoch >= 2:
            stagnancy = stagnancy_metric(history[-2], history[-1], incompleteness)
        mixture = self._constant + self._incompleteness * incompleteness + self._stagnancy * stagnancy
        # A weight of 0 for everything that is positive could leave a probability of 0, and rounding one just above 1.
        return np.clip(mixture, np.finfo(np.float64).tiny, 1.0)
