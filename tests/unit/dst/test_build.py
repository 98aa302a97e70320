"""From configuration to scheduler."""

from dataclasses import replace

import pytest

from engine.config import SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.drop_balanced import DropBalanced
from engine.dst.dst import DroppedScheduledTask
from engine.dst.mtl import AllTasks
from engine.dst.random_drop import RandomDrop
from engine.dst.scheduler import RunFacts, Scheduler
from engine.dst.static import StaticWeights
from engine.dst.stl import SingleTask

TWO = RunFacts(tasks=("a", "b"), depths=(18, 9), counts=(100, 50), seed=0, steps_per_epoch=10)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("dst", DroppedScheduledTask),
        ("mtl", AllTasks),
        ("stl", SingleTask),
        ("random", RandomDrop),
        ("drop_balanced", DropBalanced),
        ("static", StaticWeights),
    ],
)
def test_each_name_has_its_scheduler(name, cls):
    config = SchedulerConfig(name=name, weights={"a": 0.5} if name == "static" else {})
    built = build_scheduler(config, RunFacts(tasks=("a",), depths=(18,), counts=(100,), seed=0, steps_per_epoch=10))
    assert type(built) is cls
    assert isinstance(built, Scheduler)


def test_settings_arrive():
    def probabilities(**options):
        built = build_scheduler(SchedulerConfig(**options), TWO)
        built.observe(0, (1.0, 1.0))
        return built.probabilities(1).tolist()

    assert probabilities(depth=1, count=0, incompleteness=0, stagnancy=0, regulariser=0) == [1, 0.5]
    assert probabilities(depth=0.5, count=0.5, incompleteness=0, stagnancy=0, regulariser=0) == [1, 0.5]
    assert probabilities(name="random", rate=0.25) == [0.75, 0.75]
    # Ten steps in which some task is dropped: the two shares sum to 1 - p.
    assert sum(probabilities(name="drop_balanced", rate=0.5, floor=0.001)) == pytest.approx(0.5)


def test_seeds_give_other_masks():
    def masks(seed):
        built = build_scheduler(SchedulerConfig(name="random"), replace(TWO, seed=seed))
        return [built.mask(0, step).tolist() for step in range(50)]

    assert masks(0) == masks(0) != masks(1)
