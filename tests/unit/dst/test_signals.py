"""DST's metrics: values worked out by hand, and what must hold for any history."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.dst.signals import (
    count_metric,
    depth_metric,
    incompleteness_metric,
    progress,
    relative_change,
    remaining_share,
    stagnancy_metric,
)

LOSSES = hnp.arrays(np.float64, 5, elements=st.floats(0, 100) | st.just(0.0) | st.floats(1e-3, 10))
POSITIVE = hnp.arrays(np.float64, 5, elements=st.floats(1e-3, 100))


def vector(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_depth_and_count_by_hand():
    assert depth_metric(vector(18, 9, 6)).tolist() == [1, 0.5, 1 / 3]
    assert count_metric(vector(1000, 250, 0)).tolist() == [1, 0.25, 0]
    assert count_metric(vector(0, 0)).tolist() == [1, 1]


def test_incompleteness_by_hand():
    # I = 0.5, 1.0, 0.6; their mean is 0.7.
    result = incompleteness_metric(vector(0.8, 0.4, 1.0), vector(0.4, 0.4, 0.6))
    assert result == pytest.approx([0.5 / 0.7, 1, 0.6 / 0.7])


def test_incompleteness_of_losses_that_are_zero():
    # First loss zero: I is 1 where the loss has risen, else 0; the mean of (1, 0, 0.5) is 0.5.
    assert remaining_share(vector(0, 0, 1), vector(0.3, 0, 0.5)).tolist() == [1, 0, 0.5]
    assert incompleteness_metric(vector(0, 0, 1), vector(0.3, 0, 0.5)).tolist() == [1, 0, 1]
    assert incompleteness_metric(vector(1, 1), vector(0, 0)).tolist() == [1, 1]


def test_change_and_progress_by_hand():
    # Falls by a half, counted double; stands still; rises by a quarter; a Pu of 0.1 counts four times, not ten; from zero.
    change = relative_change(vector(0.8, 0.4, 0.4, 1.0), vector(0.4, 0.4, 0.5, 0.9), vector(0.5, 1, 1, 0.1))
    assert change == pytest.approx([-1.0, 0, 0.25, -0.4])
    assert progress(change) == pytest.approx([1.0, 0, 0, 0.4])
    assert relative_change(vector(0, 1), vector(0.5, 0.5), vector(1, 1)).tolist() == [0, -0.5]


def test_stagnancy_by_hand():
    # Changes -0.1, -0.3, +0.2; Pu of 1 leaves them; progress 0.1, 0.3, 0 with mean 0.4 / 3; only the second is faster.
    result = stagnancy_metric(vector(1, 1, 1), vector(0.9, 0.7, 1.2), vector(1, 1, 1))
    assert result == pytest.approx([1, 0.4 / 3 / 0.3, 1])


def test_stagnancy_weighs_progress_by_incompleteness():
    # Pu = 0.5 doubles the second's progress: 0.2 and 0.4, mean 0.3.
    result = stagnancy_metric(vector(1, 1), vector(0.8, 0.8), vector(1, 0.5))
    assert result == pytest.approx([1, 0.75])


def test_stagnancy_equals_the_papers_quotient_when_all_losses_fall():
    before, last, incompleteness = vector(1, 2, 3, 4), vector(0.9, 1.0, 2.9, 2.0), vector(1, 0.8, 1, 0.7)
    rates = np.minimum(1 / incompleteness, 4) * (last - before) / before
    assert stagnancy_metric(before, last, incompleteness) == pytest.approx(np.minimum(1, rates.mean() / rates))


def test_stagnancy_when_nothing_moves_or_all_losses_rise():
    assert stagnancy_metric(vector(1, 1), vector(1, 1), vector(1, 1)).tolist() == [1, 1]
    assert stagnancy_metric(vector(1, 1), vector(2, 3), vector(1, 1)).tolist() == [1, 1]
    assert stagnancy_metric(vector(0, 0), vector(0, 1), vector(1, 0)).tolist() == [1, 1]


def test_one_task_that_learns_alone_gets_the_least_there_is():
    assert stagnancy_metric(vector(1, 1, 1, 1), vector(1, 1, 0.3, 1), vector(1, 1, 1, 1)) == pytest.approx([1, 1, 0.25, 1])


@given(LOSSES, LOSSES, LOSSES)
def test_metrics_are_finite_and_in_range_for_any_history(first, before, last):
    unfinished = incompleteness_metric(first, last)
    stagnant = stagnancy_metric(before, last, unfinished)
    assert ((unfinished >= 0) & (unfinished <= 1)).all()
    assert ((stagnant >= 1 / 5 - 1e-12) & (stagnant <= 1)).all()


@given(POSITIVE, POSITIVE, POSITIVE, st.permutations(range(5)), st.floats(0.01, 100))
def test_tasks_may_be_permuted_and_losses_scaled(first, before, last, order, scale):
    unfinished = incompleteness_metric(first, last)
    stagnant = stagnancy_metric(before, last, unfinished)
    permuted = incompleteness_metric(first[order], last[order])
    assert permuted == pytest.approx(unfinished[order])
    assert stagnancy_metric(before[order], last[order], permuted) == pytest.approx(stagnant[order])
    assert incompleteness_metric(first * scale, last * scale) == pytest.approx(unfinished)
    # A progress at the mean itself may fall on either side by rounding, where both formulas give 1.
    assert stagnancy_metric(before * scale, last * scale, unfinished) == pytest.approx(stagnant, rel=1e-6)
