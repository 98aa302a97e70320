"""From configuration to scheduler."""

from collections.abc import Sequence

from engine.config import SchedulerConfig
from engine.dst.dst import DroppedScheduledTask
from engine.dst.mtl import AllTasks
from engine.dst.scheduler import Scheduler


def build_scheduler(config: SchedulerConfig, tasks: Sequence[str], depths: Sequence[int], counts: Sequence[int], seed: int) -> Scheduler:
    """Return the configured scheduler; arguments as for `DroppedScheduledTask`."""
    if config.name == "mtl":
        return AllTasks(tasks)
    return DroppedScheduledTask(config, tasks, depths, counts, seed)
