import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shards.faces.curves import CENTRE, ellipse, flipped, normals, resample, ribbon, smooth

KNOTS = arrays(np.float64, st.tuples(st.integers(2, 9), st.just(2)), elements=st.floats(-300, 300))


@given(knots=KNOTS, closed=st.booleans())
def test_a_smooth_curve_goes_through_its_knots(knots, closed):
    assert smooth(knots, closed=closed)[::6] == pytest.approx(knots, abs=1e-9)


def test_a_smooth_curve_through_points_on_a_line_stays_on_it():
    curve = smooth([(0, 0), (3, 3), (6, 6)])
    assert curve[:, 0] == pytest.approx(curve[:, 1])
    assert np.all(np.diff(curve[:, 0]) > 0)


def test_ellipse_has_its_half_axes_and_turns_clockwise():
    upright = ellipse(10, 20, 3, 5)
    assert np.abs(upright - (10, 20)).max(axis=0) == pytest.approx((3, 5), rel=0.01)
    # A wide ellipse turned clockwise by an eighth reaches furthest to the lower right, where y grows.
    turned = ellipse(0, 0, 5, 1, turn=np.pi / 4)
    furthest = turned[np.argmax(turned[:, 0])]
    assert furthest[1] > 0


def test_ribbon_has_the_widths_it_is_given():
    outline = ribbon([(0, 0), (5, 0), (10, 0)], (2, 6))
    half = len(outline) // 2
    across = np.linalg.norm(outline[:half] - outline[half:][::-1], axis=1)
    assert across[[0, half // 2, -1]] == pytest.approx([2, 4, 6])


def test_normals_are_unit_vectors_at_right_angles():
    curve = smooth([(0, 0), (4, 1), (5, 6)])
    across = normals(curve)
    assert np.linalg.norm(across, axis=1) == pytest.approx(1)
    assert (across[1:-1] * (curve[2:] - curve[:-2])).sum(axis=1) == pytest.approx(0, abs=1e-9)


def test_resampled_points_are_evenly_spaced():
    points = resample(np.array([(0.0, 0), (1, 0), (10, 0)]), 6)
    assert points.tolist() == [[0, 0], [2, 0], [4, 0], [6, 0], [8, 0], [10, 0]]


def test_flipping_twice_changes_nothing():
    points = ellipse(CENTRE + 20, 30, 4, 5)
    assert flipped(flipped(points)) == pytest.approx(points)
    assert flipped(points)[:, 0].mean() == pytest.approx(CENTRE - 20)
