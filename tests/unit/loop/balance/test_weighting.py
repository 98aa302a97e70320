"""A library's weights for gradients, made to fit the terms of a sum."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchjd.aggregation import CAGradWeighting, PCGradWeighting, UPGradWeighting

from engine.loop.balance.weighting import TermWeighting

WEIGHTINGS = {
    "pcgrad": lambda: TermWeighting(PCGradWeighting(), of_mean=False),
    "cagrad": lambda: TermWeighting(CAGradWeighting(c=0.4), of_mean=True),
    "upgrad": lambda: TermWeighting(UPGradWeighting(), of_mean=True),
}


def gramian(*gradients) -> torch.Tensor:
    rows = torch.tensor(gradients)
    return rows @ rows.T


@pytest.mark.parametrize("name", ["pcgrad", "upgrad"])
def test_without_conflict_all_terms_weigh_1(name):
    assert WEIGHTINGS[name]()(gramian((2.0, 0.0), (1.0, 1.0), (0.0, 3.0))).tolist() == pytest.approx([1, 1, 1], rel=1e-5)


def test_cagrad_without_its_c_is_the_sum():
    weighting = TermWeighting(CAGradWeighting(c=0), of_mean=True)
    assert weighting(gramian((2.0, 0.0), (-1.0, 1.0), (0.3, 0.2))).tolist() == pytest.approx([1, 1, 1], rel=1e-6)


@pytest.mark.parametrize("name", WEIGHTINGS)
@given(st.integers(-12, 12))
@settings(max_examples=10)
def test_the_gradients_length_does_not_matter(name, exponent):
    conflicting = gramian((2.0, 0.0), (-1.0, 1.0))
    found = [WEIGHTINGS[name]()(each).tolist() for each in (conflicting, conflicting * 2.0**exponent * 1e-6)]
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_why_the_library_needs_this():
    small = gramian((2.0, 0.0), (-1.0, 1.0)) * 1e-6
    assert CAGradWeighting(c=0.4)(small).tolist() == [0, 0]
    assert UPGradWeighting()(small).tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("name", WEIGHTINGS)
@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_no_gradient_and_one_that_is_not_finite_weigh_1(name, value):
    assert WEIGHTINGS[name]()(torch.full((3, 3), value)).tolist() == [1, 1, 1]
