"""Which tasks a run trained in each of its steps: drawn again from the P that it recorded."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.compare.plan import PlannedRun
from engine.dst.dropping import TaskDropping
from engine.report.journal import read_history
from shards.errors import DataError


class RecordedDropping(TaskDropping):
    """Masks from P(k, t) as a run recorded them, whatever scheduler they came from.

    Args:
        tasks: Task names.
        recorded: [E, T] P(k, t) of each epoch.
        seed: The run's seed.
        granularity: Whether each step had its own draw.
    """

    def __init__(self, tasks: Sequence[str], recorded: NDArray[np.float64], *, seed: int, granularity: Literal["step", "epoch"]) -> None:
        super().__init__(tasks, seed=seed, granularity=granularity)
        self._recorded = recorded

    def _probabilities(self, epoch: int) -> NDArray[np.float64]:
        return self._recorded[epoch]


def drawn_masks(run: PlannedRun) -> NDArray[np.bool_]:
    """Return [steps of the run, T]: the tasks that a finished run was to train in each step.

    Raises:
        DataError: The run recorded a step in which another task was trained.
    """
    folder, scheduler = run.config.run.dir, run.config.scheduler
    history = read_history(folder)
    recorded = np.array([history.epochs[epoch].probabilities for epoch in sorted(history.epochs)], np.float64)
    dropping = RecordedDropping(history.run.tasks, recorded, seed=run.seed, granularity=scheduler.granularity)
    per_epoch = history.run.steps_per_epoch
    masks = np.array([[dropping.mask(epoch, step) for step in range(per_epoch)] for epoch in range(len(recorded))], np.bool_)
    for (epoch, step), record in history.steps.items():
        # A task without a label in the batch is drawn and yet not trained.
        if (np.array(record.active) & ~masks[epoch, step]).any():
            raise DataError(
                f"{folder}: in epoch {epoch + 1}, step {step + 1} other tasks were trained than its P and seed give; train the run anew"
            )
    return masks.reshape(-1, len(history.run.tasks))
