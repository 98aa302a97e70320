"""What schedulers derive from: the memory of the tasks' mean losses of finished epochs, and what most do alike."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dst.scheduler import RunFacts
from shards.errors import DivergenceError


class LossHistory:
    """V(k, t) of the epochs so far. A class derived from it is a `Scheduler` once it has `probabilities` and `mask`."""

    drops_tasks = False
    """See `Scheduler`."""

    def __init__(self, run: RunFacts) -> None:
        """Begin with no epoch.

        Args:
            run: The run.
        """
        self.tasks = run.tasks
        self._epochs: list[tuple[float, ...]] = []

    def observe(self, epoch: int, losses: Sequence[float]) -> None:
        """Append a finished epoch.

        Raises:
            ValueError: Epochs do not follow one another, or the number of losses is wrong.
            DivergenceError: A loss is not finite.
        """
        if epoch != len(self._epochs):
            raise ValueError(f"epoch {epoch} was observed after {len(self._epochs)} epochs, expected epoch {len(self._epochs)}")
        check_losses(self.tasks, epoch, losses)
        self._epochs.append(tuple(float(loss) for loss in losses))

    def loss_weights(self, epoch: int) -> NDArray[np.float64]:  # noqa: ARG002 (the protocol's argument)
        """Return [T]: ones. A task that is trained counts in full."""
        return np.ones(len(self.tasks))

    def wants_gradients(self, epoch: int, step: int) -> bool:  # noqa: ARG002 (the protocol's arguments)
        """Return False."""
        return False

    def observe_gradients(self, epoch: int, step: int, products: NDArray[np.float64]) -> None:
        """Take in nothing: gradients were not asked for."""

    def before(self, epoch: int) -> NDArray[np.float64]:
        """Return [epoch, T]: V of all epochs before `epoch`.

        Raises:
            ValueError: One of them has not been observed yet.
        """
        if epoch > len(self._epochs):
            raise ValueError(f"probabilities of epoch {epoch} need {epoch} observed epochs, there are {len(self._epochs)}")
        return np.array(self._epochs[:epoch], np.float64).reshape(epoch, len(self.tasks))

    def state_dict(self) -> dict[str, Any]:
        """Return the tasks and their losses."""
        return {"tasks": list(self.tasks), "losses": [list(epoch) for epoch in self._epochs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: It belongs to other tasks, or is damaged.
        """
        if state.get("tasks") != list(self.tasks):
            raise ValueError(f"the scheduler's state is of tasks {state.get('tasks')}, not {list(self.tasks)}")
        self._epochs = [tuple(float(loss) for loss in epoch) for epoch in numbers_of(state, "losses", len(self.tasks))]


def numbers_of(state: dict[str, Any], name: str, num_tasks: int) -> list[list[float]]:
    """Return [epochs, T]: finite numbers out of a scheduler's state.

    Raises:
        ValueError: There is something else.
    """
    rows = state.get(name)
    whole = isinstance(rows, list) and all(isinstance(row, list) and len(row) == num_tasks for row in rows)
    if not whole or not all(type(value) in (int, float) and abs(value) <= sys.float_info.max for row in rows for value in row):
        raise ValueError(f"the scheduler's state has damaged {name}: expected {num_tasks} numbers per epoch")
    return rows


def check_losses(tasks: Sequence[str], epoch: int, losses: Sequence[float]) -> None:
    """Raise a DivergenceError that names the first task whose mean loss is not finite."""
    for task, loss in zip(tasks, losses, strict=True):
        if not math.isfinite(loss):
            raise DivergenceError(
                f"the mean training loss of task {task!r} in epoch {epoch + 1} is {loss}; lower optimizer.lr or check the data"
            )
