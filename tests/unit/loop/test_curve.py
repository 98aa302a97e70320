"""One sort, and what is read from it."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.loop.curve import auroc, average_precision, best_threshold, probabilities, task_curve

SAMPLES = st.lists(st.tuples(st.integers(-40, 40).map(lambda value: value / 8), st.booleans()), min_size=2, max_size=30)


def curve_of(*samples: tuple[float, bool]):
    logits, positive = zip(*samples, strict=True)
    return task_curve(np.array(logits, np.float32), np.array(positive))


def balanced_accuracy(samples, threshold: float) -> float:
    """Of answering "present" above a probability, counted one by one."""
    present = [probability > threshold for probability in probabilities(np.array([logit for logit, _ in samples], np.float32))]
    rates = []
    for side in (True, False):
        right = [answer == side for answer, (_, positive) in zip(present, samples, strict=True) if positive == side]
        rates.append(sum(right) / len(right))
    return sum(rates) / 2


def test_equal_logits_count_together():
    curve = curve_of((1, True), (0, False), (1, False), (1, True), (-2, True))
    assert curve.logits.tolist() == [1, 0, -2]
    assert (curve.true_pos.tolist(), curve.false_pos.tolist()) == ([2, 2, 3], [1, 2, 2])
    assert (curve.num_positive, curve.num_negative) == (3, 2)
    # Six pairs: the two positives at 1 tie with one negative and beat the other; the one at -2 loses to both.
    assert auroc(curve) == (0.5 + 1 + 0.5 + 1 + 0 + 0) / 6
    assert average_precision(curve) == pytest.approx(2 / 3 * 2 / 3 + 1 / 3 * 3 / 5)


def test_half_stays_where_nothing_is_better():
    assert best_threshold(curve_of((2, True), (-2, False))) == 0.5
    assert best_threshold(curve_of((0.1, True), (0, False))) == 0.5  # exactly 0.5 is not above it
    # Worse than chance at 0.5; "present" to all and to none are equally good, and to all is nearer: below 0.12, not above 0.95.
    assert best_threshold(curve_of((-2, True), (3, False))) == pytest.approx(0.119203 / 2)


def test_a_chosen_threshold_lies_in_the_middle():
    below, above = probabilities(np.array([1, 2], np.float32))
    threshold = best_threshold(curve_of((2, True), (3, True), (1, False), (-1, False)))
    assert threshold == pytest.approx((below + above) / 2)
    assert np.float32(threshold) == threshold


def test_of_equally_good_thresholds_the_nearest_to_half_is_taken():
    # Falling: + - + -, at probabilities 0.95, 0.88, 0.73, 0.62. "Present" above 0.91 and above 0.67 are both right three times in four.
    curve = curve_of((3, True), (2, False), (1, True), (0.5, False))
    assert best_threshold(curve) == pytest.approx((0.731059 + 0.622459) / 2)


def test_probabilities_tell_apart_what_float32_would_round_to_one():
    low, high = probabilities(np.array([20, 25], np.float32))
    assert (1 - low, 1 - high) == (pytest.approx(2.061e-9, rel=1e-3), pytest.approx(1.389e-11, rel=1e-3))


def test_logits_that_no_threshold_can_part_are_left_together():
    # Their probabilities are 1 in float64; only "present" to none or to all remains, as good as 0.5.
    assert best_threshold(curve_of((60, True), (50, False))) == 0.5
    # Those of 18 and 17.5 differ, but not by a step of float32.
    threshold = best_threshold(curve_of((18, True), (17.5, False), (1, True), (-1, False)))
    assert balanced_accuracy([(18, True), (17.5, False), (1, True), (-1, False)], threshold) == 0.75


@given(SAMPLES)
def test_no_threshold_is_better_and_none_as_good_is_nearer_to_half(samples):
    assume(0 < sum(positive for _, positive in samples) < len(samples))
    best = best_threshold(curve_of(*samples))
    cuts = np.unique([0, *probabilities(np.array([logit for logit, _ in samples], np.float32)), 1])
    reached = balanced_accuracy(samples, best)
    for threshold in (0.5, *((cuts[1:] + cuts[:-1]) / 2)):
        other = balanced_accuracy(samples, threshold)
        assert other <= reached + 1e-12
        if abs(other - reached) < 1e-12 and threshold != best:
            assert abs(best - 0.5) <= abs(threshold - 0.5) + 1e-6


@given(SAMPLES)
def test_the_area_is_the_share_of_pairs_in_order(samples):
    positives = [logit for logit, positive in samples if positive]
    negatives = [logit for logit, positive in samples if not positive]
    assume(positives and negatives)
    pairs = [(high > low) + (high == low) / 2 for high in positives for low in negatives]
    assert auroc(curve_of(*samples)) == pytest.approx(sum(pairs) / len(pairs), abs=1e-15)


@given(SAMPLES)
def test_average_precision_is_the_mean_precision_at_each_positive(samples):
    assume(any(positive for _, positive in samples))
    reached = []
    for logit, positive in samples:
        if positive:
            at_least = [its for other, its in samples if other >= logit]
            reached.append(sum(at_least) / len(at_least))
    assert average_precision(curve_of(*samples)) == pytest.approx(sum(reached) / len(reached))
