"""The DST scheduler as a whole."""

import numpy as np
import pytest

from engine.dst.dst import DroppedScheduledTask
from tests.unit.dst.built import facts, scheduler

TASKS = ("a", "b", "c", "d")
HISTORY = [(0.8, 0.8, 0.8, 0.8), (0.8, 0.4, 0.8, 0.4), (0.8, 0.2, 0.7, 0.4)]
METRICS = ("depth", "count", "incompleteness", "stagnancy", "regulariser")


def observed(num_epochs: int, depths=(18, 9, 18, 18), counts=(100, 100, 50, 100), **options) -> DroppedScheduledTask:
    built = scheduler(facts(TASKS, depths, counts), **options)
    for epoch, losses in enumerate(HISTORY[:num_epochs]):
        built.observe(epoch, losses)
    return built


def test_probabilities_by_hand():
    built = observed(3)
    constant = np.array([0.2 + 0.2, 0.1 + 0.2, 0.2 + 0.1, 0.2 + 0.2]) + 0.2
    # Epochs 0 and 1: no history, then V(1)/V(1) = 1 for all and one epoch only.
    assert built.probabilities(0) == pytest.approx(constant + 0.4)
    assert built.probabilities(1) == pytest.approx(constant + 0.4)
    # Epoch 2: I = 1, 1/2, 1, 1/2, mean 3/4, so Pu = 1, 2/3, 1, 2/3. Changes 0, -1/2, 0, -1/2 over Pu: R' = 0, 3/4, 0, 3/4,
    # mean 3/8, so Pr = 1, 1/2, 1, 1/2.
    assert built.probabilities(2) == pytest.approx(constant + 0.2 * np.array([1, 2 / 3, 1, 2 / 3]) + 0.2 * np.array([1, 0.5, 1, 0.5]))
    # Epoch 3: I = 1, 1/4, 7/8, 1/2, mean 21/32, so Pu = 1, 8/21, 1, 16/21. Changes 0, -1/2, -1/8, 0: R' = 0, 21/16, 1/8, 0,
    # mean 23/64, so Pr = 1, (23/64)/(21/16) = 23/84, 1, 1.
    assert built.probabilities(3) == pytest.approx(constant + 0.2 * np.array([1, 8 / 21, 1, 16 / 21]) + 0.2 * np.array([1, 23 / 84, 1, 1]))


EXPECTED = {
    "depth": [1, 0.5, 1, 1],
    "count": [1, 1, 0.5, 1],
    "incompleteness": [1, 2 / 3, 1, 2 / 3],
    "stagnancy": [1, 0.5, 1, 0.5],
    "regulariser": [1, 1, 1, 1],
}
"""Each metric in epoch 2, as above."""


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_alone(metric):
    weights = dict.fromkeys(METRICS, 0.0) | {metric: 1.0}
    assert observed(2, **weights).probabilities(2) == pytest.approx(EXPECTED[metric])


@pytest.mark.parametrize("weights", [(0.5, 0, 0.25, 0.25, 0), (0, 0.1, 0.2, 0.3, 0.4), (0.35, 0.05, 0.3, 0.1, 0.2)])
def test_any_mixture(weights):
    expected = sum(weight * np.array(EXPECTED[metric]) for metric, weight in zip(METRICS, weights, strict=True))
    assert observed(2, **dict(zip(METRICS, weights, strict=True))).probabilities(2) == pytest.approx(expected)


def test_a_task_without_labels_and_without_the_constant_is_still_possible():
    weights = dict.fromkeys(METRICS, 0.0) | {"count": 1.0}
    probabilities = observed(0, counts=(0, 1, 2, 4), **weights).probabilities(0)
    assert probabilities == pytest.approx([0, 0.25, 0.5, 1])
    assert (probabilities > 0).all()


def test_rounding_does_not_lift_a_probability_above_one():
    # In floating point 0.2 + 0.4 + 0.3 + 0.1 is a little more than 1.
    weights = dict(zip(METRICS, (0, 0.2, 0.3, 0.1, 0.4), strict=True))
    assert observed(0, counts=(1, 1, 1, 1), **weights).probabilities(0).tolist() == [1.0] * 4


def test_granularity_epoch_draws_once():
    built = observed(3, granularity="epoch")
    assert len({tuple(built.mask(3, step)) for step in range(50)}) == 1
