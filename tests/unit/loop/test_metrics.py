"""Metrics against scikit-learn and against hand-made cases."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from engine.loop.metrics import split_metrics


@pytest.mark.parametrize("ties", [False, True])
def test_agreement_with_scikit_learn(ties):
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, (500, 4)).astype(np.int8)
    logits = rng.normal(size=(500, 4)).astype(np.float32) * 3 + labels
    if ties:
        logits = logits.round(0)
    results = split_metrics(torch.from_numpy(logits), torch.from_numpy(labels), tuple("abcd"), (True, False, True, False))
    for column, (result, majority) in enumerate(zip(results, (1, 0, 1, 0), strict=True)):
        known = labels[:, column] >= 0
        truth, score = labels[known, column], logits[known, column].astype(np.float64)
        answer = score > 0
        expected = {
            "num_labelled": len(truth),
            "num_positive": truth.sum(),
            "loss": reference.log_loss(truth, 1 / (1 + np.exp(-score))),
            "accuracy": reference.accuracy_score(truth, answer),
            "balanced_accuracy": reference.balanced_accuracy_score(truth, answer),
            "precision": reference.precision_score(truth, answer),
            "recall": reference.recall_score(truth, answer),
            "f1": reference.f1_score(truth, answer),
            "auroc": reference.roc_auc_score(truth, score),
            "average_precision": reference.average_precision_score(truth, score),
            "majority_accuracy": (truth == majority).mean(),
        }
        for name, value in expected.items():
            assert getattr(result, name) == pytest.approx(value, abs=1e-6), name


def one(labels: list[int], logits: list[float], *, majority: bool = False):
    return split_metrics(torch.tensor(logits)[:, None], torch.tensor(labels, dtype=torch.int8)[:, None], ("a",), (majority,))[0]


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
    expected = [math.log1p(math.exp(-value)) for value in (2.0, -1.0, 2.0, -1.0, 3.0)]
    assert result.loss == pytest.approx(sum(expected) / 5)


def test_large_logits_keep_their_order():
    assert one([0, 1], [50.0, 60.0]).auroc == 1.0


def test_a_constant_task_has_no_ranking():
    positive, negative = one([1, 1], [1.0, -1.0], majority=True), one([0, 0], [1.0, -1.0])
    assert (positive.balanced_accuracy, positive.auroc, positive.average_precision) == (None, None, None)
    assert (positive.accuracy, positive.recall, positive.majority_accuracy) == (0.5, 0.5, 1.0)
    assert (negative.f1, negative.recall, negative.precision, negative.accuracy) == (None, None, None, 0.5)


def test_nothing_labelled_or_nothing_found():
    empty = one([-1, -1], [1.0, 2.0])
    assert (empty.num_labelled, empty.loss, empty.accuracy, empty.majority_accuracy) == (0, None, None, None)
    assert one([1, 0], [-1.0, -2.0]).f1 == 0.0
    # Zero is no "present".
    assert one([1, 0], [0.0, 0.0]).recall == 0.0
