"""Who was dropped often is trained more."""

import numpy as np
import pytest

from engine.dst.drop_balanced import DropBalanced, balanced_probabilities
from tests.unit.dst.built import facts, scheduler


def balanced(num_tasks=4, steps_per_epoch=1500, **options) -> DropBalanced:
    run = facts([f"task{i}" for i in range(num_tasks)], seed=2, steps_per_epoch=steps_per_epoch)
    return scheduler(run, name="drop_balanced", **options)


@pytest.mark.parametrize(
    ("drops", "rate", "floor", "expected"),
    [
        # Nothing dropped yet: 1 - p for all.
        ((0, 0, 0), 0.3, 0.05, (0.7, 0.7, 0.7)),
        # Shares 1/2, 3/10 and 1/5 of 0.7.
        ((5, 3, 2), 0.3, 0.05, (0.35, 0.21, 0.14)),
        # The one that was never dropped stays at the floor.
        ((90, 10, 0), 0.2, 0.1, (0.72, 0.1, 0.1)),
        ((7, 0), 0.0, 0.01, (1.0, 0.01)),
        ((4,), 0.3, 0.05, (0.7,)),
    ],
)
def test_the_formula_by_hand(drops, rate, floor, expected):
    assert balanced_probabilities(np.array(drops), rate=rate, floor=floor) == pytest.approx(expected)


@pytest.mark.parametrize("granularity", ["step", "epoch"])
def test_drops_are_those_of_all_finished_epochs(granularity):
    built = balanced(rate=0.4, granularity=granularity)
    assert built.probabilities(0) == pytest.approx([0.6] * 4)
    drops = np.zeros(4)
    for epoch in range(4):
        drops += sum(~built.mask(epoch, step) for step in range(1500))
        built.observe(epoch, (0.5,) * 4)
        assert built.probabilities(epoch + 1) == pytest.approx(np.maximum(0.05, 0.6 * drops / drops.sum()))
    assert built.state_dict()["drops"][0] == sum(~built.mask(0, step) for step in range(1500)).tolist()
    assert len(set(built.probabilities(4))) > 1
    assert (len({tuple(built.mask(2, step)) for step in range(50)}) == 1) == (granularity == "epoch")


def test_a_kept_task_was_not_dropped():
    # A single task is drawn in a tenth of the steps and kept in the others: no drop, so P stays what it was.
    built = balanced(num_tasks=1, rate=0.9)
    for epoch in range(3):
        assert built.probabilities(epoch) == pytest.approx([0.1])
        built.observe(epoch, (0.5,))
    assert built.state_dict()["drops"] == [[0], [0], [0]]


def test_many_tasks_end_at_the_floor_and_few_share_what_is_left():
    many, few = balanced(num_tasks=40), balanced(num_tasks=8)
    for built in (many, few):
        built.observe(0, (0.5,) * len(built.tasks))
    # 0.7 / 40 is below 0.05.
    assert many.probabilities(1) == pytest.approx([0.05] * 40)
    assert few.probabilities(1).sum() == pytest.approx(0.7)
    trained = np.mean([few.mask(1, step).sum() for step in range(1500)])
    # 8 · 0.0875 + 0.9125 to the power of 8, as the docstring says.
    assert trained == pytest.approx(1.18, abs=0.05)


def test_the_floor_is_never_undercut_and_losses_do_not_matter():
    built, other = balanced(rate=0.5, floor=0.2), balanced(rate=0.5, floor=0.2)
    for epoch in range(4):
        built.observe(epoch, (0.5,) * 4)
        other.observe(epoch, (9.0, 0.0, 1.0, 0.1))
        assert (built.probabilities(epoch + 1) >= 0.2).all()
        assert np.array_equal(built.probabilities(epoch + 1), other.probabilities(epoch + 1))
