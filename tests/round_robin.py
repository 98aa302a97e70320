"""A scheduler made by the steps of CONTRIBUTING.md, as a user would."""

import numpy as np
from numpy.typing import NDArray

from engine.dst.history import LossHistory
from engine.dst.scheduler import RunFacts


class RoundRobin(LossHistory):
    """Some tasks at a time, one after another: in step s the tasks s·n, s·n + 1, …, s·n + n - 1 modulo T are trained."""

    drops_tasks = True

    def __init__(self, run: RunFacts, *, at_a_time: int = 1) -> None:
        super().__init__(run)
        self._at_a_time = min(at_a_time, len(run.tasks))
        self._steps_per_epoch = run.steps_per_epoch

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        self.before(epoch)
        return np.full(len(self.tasks), self._at_a_time / len(self.tasks))

    def mask(self, epoch: int, step: int) -> NDArray[np.bool_]:
        first = (epoch * self._steps_per_epoch + step) * self._at_a_time
        mask = np.zeros(len(self.tasks), np.bool_)
        mask[(first + np.arange(self._at_a_time)) % len(self.tasks)] = True
        return mask


class LeastConflict(RoundRobin):
    """All tasks but the one whose gradient conflicts most with the others', looked at every few steps."""

    def __init__(self, run: RunFacts, *, every: int = 4) -> None:
        super().__init__(run)
        self._every = every
        self._left_out: int | None = None

    def wants_gradients(self, epoch: int, step: int) -> bool:
        return step % self._every == 0

    def observe_gradients(self, epoch: int, step: int, products: NDArray[np.float64]) -> None:
        self._left_out = int(np.argmin((products - np.diag(np.diag(products))).sum(1)))

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        self.before(epoch)
        return np.full(len(self.tasks), 1 - 1 / len(self.tasks))

    def mask(self, epoch: int, step: int) -> NDArray[np.bool_]:
        mask = np.ones(len(self.tasks), np.bool_)
        mask[self._left_out] = False
        return mask

    def state_dict(self) -> dict:
        return super().state_dict() | {"left out": self._left_out}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self._left_out = state["left out"]
