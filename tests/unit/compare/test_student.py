import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compare.student import two_sided


@pytest.mark.parametrize(
    ("t", "degrees", "expected"),
    [
        # Critical values of printed tables, two-sided 5 % and 1 %.
        (12.7062, 1, 0.05),
        (4.30265, 2, 0.05),
        (3.18245, 3, 0.05),
        (2.77645, 4, 0.05),
        (2.26216, 9, 0.05),
        (63.6567, 1, 0.01),
        (9.92484, 2, 0.01),
        (2.84534, 20, 0.01),
        (0.0, 3, 1.0),
        (1.0, 1, 0.5),
    ],
)
def test_printed_tables(t, degrees, expected):
    assert two_sided(t, degrees) == pytest.approx(expected, abs=2e-6)


def test_two_degrees_have_a_closed_form():
    assert two_sided(2.0, 2) == pytest.approx(1 - 2 / math.sqrt(6))


@given(st.floats(-50, 50), st.integers(1, 60))
def test_it_is_a_probability_that_falls_on_both_sides(t, degrees):
    value = two_sided(t, degrees)
    assert 0 <= value <= 1
    assert value == two_sided(-t, degrees)
    # The last bits of probabilities near zero are lost.
    assert two_sided(abs(t) + 1, degrees) <= value + 1e-14


def test_no_spread_at_all():
    assert two_sided(math.inf, 3) == 0.0
