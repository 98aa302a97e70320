import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from engine.compare import bootstrap
from engine.compare.bootstrap import Resamples, interval, p_value
from engine.compare.statistics import seeds_p

SCORES = {"accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score, "f1": f1_score}


def answers(num_seeds=2, num_samples=40, num_tasks=3, *, skill=0.8, seed=0):
    """Random answers that are right with the given chance, and their labels."""
    labels = (np.random.default_rng(1).random((num_samples, num_tasks)) < 0.4).astype(np.int8)
    right = np.random.default_rng(seed).random((num_seeds, num_samples, num_tasks)) < skill
    return np.where(right, labels == 1, labels == 0), labels


@pytest.mark.parametrize("measure", SCORES)
def test_scores_are_those_of_the_drawn_samples(measure, monkeypatch):
    (first, labels), (second, _) = answers(), answers(skill=0.6, seed=5)
    labels[::7, 1] = -1
    drawn = []
    original = bootstrap._weights
    monkeypatch.setattr(
        bootstrap, "_weights", lambda *given: [(rows, drawn.append(weights) or weights) for rows, weights in original(*given)]
    )
    resamples = Resamples([first, second], labels, measure, num_resamples=20)
    weights = np.concatenate(drawn)
    shares = resamples._seed_shares
    assert (weights.sum(1) == 40).all()
    assert np.allclose(shares.sum(1), 1)
    for row, (share, weight) in enumerate(zip(shares, weights, strict=True)):
        expected = []
        for task in range(3):
            known = labels[:, task] >= 0
            per_seed = [
                [
                    SCORES[measure](labels[known, task], variant[seed, known, task], sample_weight=weight[known])
                    for variant in (first, second)
                ]
                for seed in range(2)
            ]
            expected.append(sum(part * (score - other) for part, (score, other) in zip(share, per_seed, strict=True)))
        got = resamples.differences(0, 1)[row]
        assert got[:3] == pytest.approx(expected, abs=1e-9)
        assert got[3] == pytest.approx(np.mean(expected), abs=1e-9)


def test_a_variant_does_not_differ_from_itself():
    given, labels = answers()
    differences = Resamples([given, given], labels, "accuracy", num_resamples=50).differences(0, 1)
    assert (differences == 0).all()
    assert [p_value(column) for column in differences.T] == [1.0] * 4


def test_one_who_is_always_right_differs_from_one_who_is_always_wrong():
    given, labels = answers(skill=1.0)
    differences = Resamples([given, ~given], labels, "balanced_accuracy", num_resamples=199).differences(0, 1)
    assert (differences == 1).all()
    assert [p_value(column) for column in differences.T] == [pytest.approx(2 / 200)] * 4


def test_the_draws_do_not_depend_on_how_many_fit_into_memory(monkeypatch):
    given, labels = answers(num_samples=33)
    other, _ = answers(num_samples=33, seed=9)
    whole = Resamples([given, other], labels, "f1", num_resamples=30).differences(0, 1)
    monkeypatch.setattr(bootstrap, "CHUNK_ENTRIES", 100)
    assert np.array_equal(whole, Resamples([given, other], labels, "f1", num_resamples=30).differences(0, 1), equal_nan=True)


def test_other_seeds_draw_otherwise_and_the_same_one_the_same():
    given, labels = answers()
    other, _ = answers(seed=9)
    first, again, third = (
        Resamples([given, other], labels, "accuracy", num_resamples=30, seed=seed).differences(0, 1) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, third)


def test_a_task_that_resamples_cannot_judge_is_left_out_of_their_mean():
    given, labels = answers(num_samples=8)
    other, _ = answers(num_samples=8, seed=9)
    labels[:, 0] = (1, 0, 0, 0, 0, 0, 0, 0)
    labels[:, 1] = -1
    differences = Resamples([given, other], labels, "balanced_accuracy", num_resamples=400).differences(0, 1)
    undefined = np.isnan(differences[:, 0])
    # One positive among eight samples is not drawn with a chance of (7/8)^8 = 0.34.
    assert 0.25 < undefined.mean() < 0.45
    assert np.isnan(differences[:, 1]).all()
    assert np.array_equal(differences[undefined, 3], differences[undefined, 2], equal_nan=True)


def test_p_values_by_hand():
    assert p_value(np.array([-1.0, 1.0, 1.0, 1.0])) == pytest.approx(2 * 2 / 5)
    assert p_value(np.array([1.0] * 99)) == pytest.approx(2 / 100)
    assert p_value(np.array([-1.0] * 99)) == pytest.approx(2 / 100)
    # One of two is not above zero, both are not below: 2 · (1 + 1) / 3 is more than 1.
    assert p_value(np.array([0.0, np.nan, 1.0])) == 1.0
    assert p_value(np.array([])) is None


def test_the_interval_holds_the_middle():
    low, high = interval(np.linspace(0, 1, 1001), level=0.9)
    assert (low, high) == (pytest.approx(0.05), pytest.approx(0.95))
    assert interval(np.array([np.nan])) is None


def test_without_an_effect_the_larger_of_both_p_values_seldom_lies_below_a_twentieth():
    # Runs differ by their seed only, by much more than the test samples can tell: what fools the bootstrap with three seeds.
    chance, labels = np.random.default_rng(0), np.ones((1000, 1), np.int8)
    fooled = {"bootstrap": 0, "both": 0}
    for number in range(120):
        skills = 0.8 + 0.05 * chance.normal(size=(2, 3))
        first, second = (chance.random((3, 1000, 1)) < skill[:, None, None] for skill in skills)
        drawn = Resamples([first, second], labels, "accuracy", num_resamples=100, seed=number).differences(0, 1)[:, -1]
        by_samples, by_seeds = p_value(drawn), seeds_p((first.mean(1) - second.mean(1))[:, 0])
        fooled["bootstrap"] += by_samples < 0.05
        fooled["both"] += max(by_samples, by_seeds) < 0.05
    assert fooled["bootstrap"] > 15
    assert fooled["both"] < 12
