"""Schedulers as a run builds them."""

from collections.abc import Sequence

from engine.config import SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.scheduler import RunFacts, Scheduler


def facts(
    tasks: Sequence[str], depths: Sequence[int] = (), counts: Sequence[int] = (), *, seed: int = 0, steps_per_epoch: int = 10
) -> RunFacts:
    return RunFacts(
        tasks=tuple(tasks),
        depths=tuple(depths) or (18,) * len(tasks),
        counts=tuple(counts) or (100,) * len(tasks),
        seed=seed,
        steps_per_epoch=steps_per_epoch,
    )


def scheduler(run: RunFacts, **settings) -> Scheduler:
    return build_scheduler(SchedulerConfig(**settings), run)
