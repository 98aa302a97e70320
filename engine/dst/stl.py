"""Single-task learning: a run for each task."""

from engine.dst.mtl import AllTasks
from engine.dst.scheduler import RunFacts
from shards.errors import ConfigurationError


class SingleTask(AllTasks):
    """P(k, t) = 1 for the one task of the run: what the task learns on its own.

    The other baseline. Multitask learning that does worse than this on a task has suffered a negative transfer.
    """

    def __init__(self, run: RunFacts) -> None:
        """Begin with no epoch.

        Args:
            run: The run.

        Raises:
            ConfigurationError: There are several.
        """
        if len(run.tasks) != 1:
            raise ConfigurationError(
                f"scheduler.name stl trains one task per run, and this run has {len(run.tasks)}; "
                "name one with data.tasks, or use tools/compare, which makes one run per task"
            )
        super().__init__(run)
