"""Dropping at random."""

import numpy as np
import pytest

from engine.dst.random_drop import RandomDrop
from tests.unit.dst.built import facts, scheduler


def drop(rate: float, num_tasks: int, **options) -> RandomDrop:
    return scheduler(facts([f"task{i}" for i in range(num_tasks)], seed=1), name="random", rate=rate, **options)


def test_the_rate_is_all_that_matters():
    built = drop(0.3, 3)
    for epoch, losses in enumerate([(0.8, 0.8, 0.8), (0.8, 0.1, 0.0), (9.0, 0.1, 0.0)]):
        assert built.probabilities(epoch) == pytest.approx([0.7, 0.7, 0.7])
        assert built.loss_weights(epoch).tolist() == [1, 1, 1]
        built.observe(epoch, losses)


@pytest.mark.parametrize(
    ("rate", "num_tasks", "expected"),
    # Kept tasks: a quarter of the steps drop both, and train one of the two; 0.9³ / 3 = 0.243; a single task cannot be dropped.
    [(0.5, 2, 0.5 + 0.25 / 2), (0.9, 3, 0.1 + 0.243), (0.9, 1, 1.0), (0.0, 2, 1.0)],
)
def test_shares_of_steps(rate, num_tasks, expected):
    built = drop(rate, num_tasks)
    masks = np.array([built.mask(0, step) for step in range(10_000)])
    assert masks.mean(0) == pytest.approx([expected] * num_tasks, abs=5 * np.sqrt(expected * (1 - expected) / 10_000))


def test_granularity_epoch_draws_once():
    built = drop(0.5, 4, granularity="epoch")
    assert len({tuple(built.mask(0, step)) for step in range(50)}) == 1
    assert len({tuple(drop(0.5, 4).mask(0, step)) for step in range(50)}) > 1
