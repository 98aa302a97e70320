"""From configuration to scheduler."""

from collections.abc import Sequence

from engine.config import SchedulerConfig
from engine.dst.drop_balanced import DropBalanced
from engine.dst.dst import DroppedScheduledTask
from engine.dst.mtl import AllTasks
from engine.dst.random_drop import RandomDrop
from engine.dst.scheduler import Scheduler
from engine.dst.static import StaticWeights
from engine.dst.stl import SingleTask


def build_scheduler(
    config: SchedulerConfig, tasks: Sequence[str], depths: Sequence[int], counts: Sequence[int], *, seed: int, steps_per_epoch: int
) -> Scheduler:
    """Return the configured scheduler.

    Args:
        config: Name and settings.
        tasks: Task names.
        depths: [T] weight layers from the image to each task's output.
        counts: [T] training samples per task that count.
        seed: The run's seed.
        steps_per_epoch: Optimiser steps per epoch.

    Raises:
        ConfigurationError: The scheduler cannot schedule these tasks.
        DataError: The records it is to learn from are damaged.
    """
    match config.name:
        case "dst":
            return DroppedScheduledTask(config, tasks, depths, counts, seed=seed)
        case "mtl":
            return AllTasks(tasks)
        case "stl":
            return SingleTask(tasks)
        case "random":
            return RandomDrop(config, tasks, seed=seed)
        case "drop_balanced":
            return DropBalanced(config, tasks, seed=seed, steps_per_epoch=steps_per_epoch)
        case "static":
            return StaticWeights(config, tasks)
