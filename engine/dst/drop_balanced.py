"""Dropping that evens itself out."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.dst.dropping import TaskDropping
from engine.dst.history import numbers_of
from engine.dst.scheduler import RunFacts


class DropBalanced(TaskDropping):
    """P(k, t) = (1 - p) · n(t) / N: who was dropped often is trained more.

    n(t) is the number of steps in which task t was dropped in all finished epochs, as drawn (a task that was kept because all draws came
    out 0 was not dropped), N the sum of n over the tasks, p the configured rate. While N is 0, in the first epoch at least, P = 1 - p for
    all; P never falls below the configured floor.

    What this does with many tasks: n(t) / N is a share, so the P of all tasks sum to 1 - p however many there are. From the second epoch on
    P is about (1 - p) / T, or the floor where that is more. With eight tasks and p = 0.3 it is 0.09: all draws come out 0 in almost
    half of the steps, in which one task is kept, and a step trains 1.2 tasks on average. This is close to training one random task at
    a time, far from dropping a share p.

    Source: the rule `drop balanced` of the report whose settings configs/celeba_dst.yaml repeats; the floor is ours.
    """

    def __init__(self, run: RunFacts, *, rate: float, floor: float, granularity: Literal["step", "epoch"] = "step") -> None:
        """Begin with no epoch.

        Args:
            run: The run.
            rate: p, from 0 to below 1.
            floor: Least probability, above 0 and below 1 - rate.
            granularity: How often tasks are drawn.
        """
        super().__init__(run, granularity=granularity)
        self._rate = rate
        self._floor = floor
        self._steps_per_epoch = run.steps_per_epoch
        self._drops: list[list[int]] = []

    def observe(self, epoch: int, losses: Sequence[float]) -> None:
        """Append a finished epoch: its losses, and the drops that follow from its masks."""
        super().observe(epoch, losses)
        self._drops.append(self.drops(epoch, self._steps_per_epoch).tolist())

    def state_dict(self) -> dict[str, Any]:
        """Return the tasks, their losses and drops per epoch: no earlier epoch has to be drawn again."""
        return super().state_dict() | {"drops": [list(epoch) for epoch in self._drops]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: It belongs to other tasks, or is damaged.
        """
        super().load_state_dict(state)
        drops = numbers_of(state, "drops", len(self.tasks))
        if len(drops) != len(self._epochs) or not all(type(number) is int and 0 <= number < 2**53 for epoch in drops for number in epoch):
            raise ValueError("the scheduler's state has damaged drops: expected a count per epoch and task")
        self._drops = [[int(number) for number in epoch] for epoch in drops]

    def _probabilities(self, epoch: int) -> NDArray[np.float64]:
        num_tasks = self.before(epoch).shape[1]
        drops = np.array(self._drops[:epoch], np.int64).reshape(epoch, num_tasks).sum(0)
        return balanced_probabilities(drops, rate=self._rate, floor=self._floor)


def balanced_probabilities(drops: NDArray[np.int64], *, rate: float, floor: float) -> NDArray[np.float64]:
    """Return [T]: (1 - rate) · n / N, at least `floor`; 1 - rate while N is 0.

    Args:
        drops: [T] n, steps in which each task was dropped.
        rate: p, from 0 to below 1.
        floor: Least probability, above 0 and below 1 - rate.

    >>> balanced_probabilities(np.array([30, 10, 0]), rate=0.2, floor=0.1).round(6)
    array([0.6, 0.2, 0.1])
    """
    total = drops.sum()
    return np.maximum(floor, (1 - rate) * drops / total) if total else np.full(len(drops), 1 - rate)
