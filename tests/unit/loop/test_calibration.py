"""Expected calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.metrics import calibration_error
from tests.unit.loop.reference import binned_error


def error(probabilities: list[float], positive: list[bool]) -> float:
    return calibration_error(np.array(probabilities), np.array(positive))


def test_by_hand():
    # Bins of 1/15: 0.01 and 0.05 share the first, 0.9 and 0.93 the fourteenth (13/15 to 14/15), 0.5 is alone.
    expected = (abs(0.06 - 0) + abs(0.5 - 1) + abs(1.83 - 1)) / 5
    assert error([0.01, 0.05, 0.5, 0.9, 0.93], [False, False, True, True, False]) == pytest.approx(expected)


def test_a_bin_holds_its_upper_edge():
    # 0.2 is three fifteenths: with 0.15 it is in the third bin, not with 0.25 in the fourth.
    assert error([0.15, 0.2, 0.25], [True, False, True]) == pytest.approx((abs(0.35 - 1) + 0.75) / 3)


def test_certainty_is_in_the_outer_bins():
    assert error([1.0, 0.0], [True, False]) == 0
    # With 0.95 in one bin: |1.95 - 1|, where a bin of its own would give 1 + 0.05 together.
    assert error([1.0, 0.95], [False, True]) == pytest.approx(0.95 / 2)


@given(st.lists(st.tuples(st.one_of(st.floats(0, 1), st.integers(0, 15).map(lambda k: k / 15)), st.booleans()), min_size=1, max_size=40))
def test_agreement_with_the_definition_bin_by_bin(samples):
    probabilities, positive = (list(values) for values in zip(*samples, strict=True))
    expected = binned_error(np.array(probabilities), np.array(positive, np.int8))
    assert error(probabilities, positive) == pytest.approx(expected, abs=1e-12)
    assert 0 <= error(probabilities, positive) <= 1 + 1e-12
