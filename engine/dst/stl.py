"""Single-task learning: a run for each task."""

from collections.abc import Sequence

from engine.dst.mtl import AllTasks
from shards.errors import ConfigurationError


class SingleTask(AllTasks):
    """P(k, t) = 1 for the one task of the run: what the task learns on its own.

    The other baseline. Multitask learning that does worse than this on a task has suffered a negative transfer.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        """Begin with no epoch.

        Args:
            tasks: The name of the task.

        Raises:
            ConfigurationError: There are several.
        """
        if len(tasks) != 1:
            raise ConfigurationError(
                f"scheduler.name stl trains one task per run, and this run has {len(tasks)}; "
                "name one with data.tasks, or use tools/compare, which makes one run per task"
            )
        super().__init__(tasks)
