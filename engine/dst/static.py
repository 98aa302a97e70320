"""Weights instead of chance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dst.mtl import AllTasks
from engine.dst.scheduler import RunFacts
from engine.journal.history import mean_probabilities
from shards.errors import ConfigurationError, did_you_mean


class StaticWeights(AllTasks):
    """No task is ever dropped; task t's loss is multiplied by a weight w(t) that stays the same.

    The control that shows whether randomness matters. A scheduler that trains task t in a share P(t) of the steps has the expected step
    loss E[Σ mask·L] / T = Σ P·L / T, and the same holds for gradients; this one has that loss in every step, with w = P. What it does not
    imitate: a dropped head stands still under its optimiser, and Adam divides a head's gradient by its own size, so that w changes the
    balance in shared layers but hardly the heads' own steps.

    The weights are given, or measured: mean P over the epochs of a finished run.
    """

    def __init__(self, run: RunFacts, *, weights: Mapping[str, float], weights_of: Path | None = None) -> None:
        """Find the weights.

        Args:
            run: The run.
            weights: Task -> weight.
            weights_of: Or the folder of the run they are measured on.

        Raises:
            ConfigurationError: The weights are not those of these tasks, or the folder holds no finished run.
            DataError: The run's records are damaged.
        """
        super().__init__(run)
        source = "scheduler.weights"
        if weights_of is not None:
            source = f"scheduler.weights_of {weights_of}"
            try:
                weights = mean_probabilities(weights_of)
            except ValueError as error:
                raise ConfigurationError(f"{source}: {error}; finish that run first") from error
        self._weights = _in_order(self.tasks, weights, source)

    def loss_weights(self, epoch: int) -> NDArray[np.float64]:  # noqa: ARG002 (the protocol's argument)
        """Return [T]: w."""
        return np.array(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the tasks, their losses and weights."""
        return super().state_dict() | {"weights": list(self._weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: It belongs to other tasks or weights.
        """
        super().load_state_dict(state)
        weights = state.get("weights")
        if not isinstance(weights, list) or len(weights) != len(self.tasks):
            raise ValueError(f"the scheduler's state has damaged weights: expected {len(self.tasks)} numbers")
        pairs = zip(self.tasks, weights, self._weights, strict=True)
        changed = [f"{task} {before!r}, now {now!r}" for task, before, now in pairs if before != now]
        if changed:
            raise ValueError(f"the scheduler's state is of other loss weights: {'; '.join(changed)}")


def _in_order(tasks: tuple[str, ...], weights: Mapping[str, float], source: str) -> tuple[float, ...]:
    missing = [task for task in tasks if task not in weights]
    unknown = [task for task in weights if task not in tasks]
    if unknown:
        raise ConfigurationError(f"{source} names {', '.join(unknown)}, which this run does not train{did_you_mean(unknown[0], missing)}")
    if missing:
        raise ConfigurationError(f"{source} lacks {', '.join(missing)}; every task of the run needs a weight")
    return tuple(float(weights[task]) for task in tasks)
