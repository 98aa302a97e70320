"""Metrics against scikit-learn and against hand-made cases."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from engine.loop.metrics import split_metrics
from tests.unit.loop.reference import MAJORITY, TASKS, random_table, reference


@pytest.mark.parametrize("threshold", [0.5, 0.25])
@pytest.mark.parametrize("num_samples", [1, 2, 7, 129, 500])
def test_agreement_with_scikit_learn(num_samples, threshold):
    logits, labels = random_table(num_samples)
    results = split_metrics(torch.from_numpy(logits), torch.from_numpy(labels), TASKS, MAJORITY, (threshold,) * len(TASKS))
    for column, result in enumerate(results):
        expected = reference(logits[:, column], labels[:, column], threshold, MAJORITY[column]) | {"task": TASKS[column]}
        assert dataclasses.asdict(result) == pytest.approx(expected, abs=1e-6), TASKS[column]


def one(labels: list[int], logits: list[float], *, majority: bool = False, threshold: float = 0.5):
    table = torch.tensor(logits)[:, None], torch.tensor(labels, dtype=torch.int8)[:, None]
    return split_metrics(*table, ("a",), (majority,), (threshold,))[0]


def test_by_hand():
    result = one([1, 1, 0, 0, 0, -1], [2.0, -1.0, -2.0, 1.0, -3.0, 9.0])
    assert (result.num_labelled, result.num_positive) == (5, 2)
    assert result.accuracy == pytest.approx(3 / 5)
    assert result.balanced_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (result.precision, result.recall, result.f1) == (pytest.approx(1 / 2), pytest.approx(1 / 2), pytest.approx(1 / 2))
    # Of the six pairs of a positive and a negative, five are in the right order: 2 > all three, -1 > -2 and -3.
    assert result.auroc == pytest.approx(5 / 6)
    assert result.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert result.majority_accuracy == pytest.approx(3 / 5)
    # Precision 2/5, recall 1.
    assert result.all_positive_f1 == pytest.approx(2 * (2 / 5) / (1 + 2 / 5))
    expected = [math.log1p(math.exp(-value)) for value in (2.0, -1.0, 2.0, -1.0, 3.0)]
    assert result.loss == pytest.approx(sum(expected) / 5)


def test_the_threshold_decides_the_answers_and_nothing_else():
    # Probabilities 0.88, 0.27, 0.12, 0.73, 0.05.
    labels, logits = [1, 1, 0, 0, 0], [2.0, -1.0, -2.0, 1.0, -3.0]
    low, half = one(labels, logits, threshold=0.2), one(labels, logits)
    assert (low.threshold, low.recall, low.precision, low.accuracy) == (0.2, 1.0, pytest.approx(2 / 3), pytest.approx(4 / 5))
    same = ("loss", "auroc", "average_precision", "calibration_error", "majority_accuracy", "all_positive_f1")
    assert [getattr(low, name) for name in same] == [getattr(half, name) for name in same]


def test_large_logits_keep_their_order_and_their_loss():
    result = one([0, 1], [50.0, 60.0])
    assert (result.auroc, result.loss) == (1.0, pytest.approx(25.0))
    assert one([0, 1], [-1e30, 1e30]).loss == 0.0


def test_a_constant_task_has_no_ranking():
    positive, negative = one([1, 1], [1.0, -1.0], majority=True), one([0, 0], [1.0, -1.0])
    assert (positive.balanced_accuracy, positive.auroc, positive.average_precision) == (None, None, None)
    assert (positive.accuracy, positive.recall, positive.majority_accuracy, positive.all_positive_f1) == (0.5, 0.5, 1.0, 1.0)
    assert (negative.f1, negative.recall, negative.precision, negative.all_positive_f1) == (None, None, None, None)
    assert negative.accuracy == 0.5


def test_nothing_labelled_or_nothing_found():
    empty = one([-1, -1], [1.0, 2.0])
    assert (empty.num_labelled, empty.loss, empty.accuracy, empty.majority_accuracy, empty.calibration_error) == (0, None, None, None, None)
    assert one([1, 0], [-1.0, -2.0]).f1 == 0.0
    # Zero is no "present".
    assert one([1, 0], [0.0, 0.0]).recall == 0.0


def test_the_order_of_the_samples_does_not_matter():
    logits, labels = random_table(64)
    mixed = np.random.default_rng(1).permutation(64)
    first, second = (
        split_metrics(torch.from_numpy(logits[rows]), torch.from_numpy(labels[rows]), TASKS, MAJORITY, (0.5,) * len(TASKS))
        for rows in (np.arange(64), mixed)
    )
    for one_task, other in zip(first, second, strict=True):
        assert dataclasses.asdict(one_task) == pytest.approx(dataclasses.asdict(other), abs=1e-12)


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        ([0.3, 0.3, 0.3], [0, 1, 1], "logits"),
        ([0.3, 0.3000001, 0.3], [0, 1, 1], "logits"),
        ([-90.00001, -90.0, -90.0], [0, 1, 1], "logits"),
        ([0.3, 0.4, 0.5], [0, 1, 1], "answers"),
        ([-0.3, -0.4, -0.5], [0, 1, 1], "answers"),
        # With one class only, one answer is right.
        ([0.3, 0.4, 0.5], [1, 1, 1], None),
        ([0.3, 0.3, 0.3], [1, 1, 1], "logits"),
        ([-0.3, 0.4, 0.5], [0, 1, 1], None),
        # Only labelled samples count, and one alone says nothing.
        ([0.3, 0.3, 0.5], [0, 1, -1], "logits"),
        ([0.3, 0.3, 0.5], [0, -1, -1], None),
    ],
)
def test_what_is_the_same_for_all_images(logits, labels, expected):
    table = torch.tensor(logits)[:, None], torch.tensor(labels, dtype=torch.int8)[:, None]
    (result,) = split_metrics(*table, ("Young",), [False], [0.5])
    assert result.constant == expected
