"""Outlines of drawn things: smooth curves through points, ellipses, ribbons. All in picture coordinates, y downwards."""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

CENTRE = 89.0
"""x of the picture's middle, and of the axis of a face that looks straight ahead."""

_STEPS = 6
_ANGLES = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def smooth(knots: ArrayLike, *, closed: bool = False) -> Points:
    """Return a curve through all the points.

    Args:
        knots: [n, 2], n at least 2.
        closed: Whether the last point leads back to the first.
    """
    points = np.asarray(knots, np.float64)
    return _spline(len(points), closed) @ points


@functools.cache
def _spline(count: int, closed: bool) -> NDArray[np.float64]:
    """Return the weight of each knot in each point of a curve: Catmull and Rom, "A class of local interpolating splines" (1974)."""
    t = np.arange(_STEPS) / _STEPS
    weights = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    knots = np.eye(count)
    ends = (knots[-1:], knots[:2]) if closed else (2 * knots[:1] - knots[1:2], 2 * knots[-1:] - knots[-2:-1])
    padded = np.concatenate([ends[0], knots, ends[1]])
    points = [weights[:, step] @ padded[k : k + 4] for k in range(len(padded) - 3) for step in range(_STEPS)]
    return np.array(points if closed else [*points, knots[-1]])


def ellipse(x: float, y: float, half_width: float, half_height: float, *, turn: float = 0.0) -> Points:
    """Return the outline of an ellipse, turned clockwise by `turn` radians."""
    outline = _CIRCLE * (half_width, half_height)
    cosine, sine = np.cos(turn), np.sin(turn)
    return outline @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)


def ribbon(points: ArrayLike, widths: Sequence[float]) -> Points:
    """Return the outline of a smooth stroke whose width goes through `widths`, spread evenly over its length."""
    middle = smooth(points)
    across = normals(middle) * (_spread(len(widths), len(middle)) @ np.asarray(widths) / 2)[:, None]
    return np.concatenate([middle + across, (middle - across)[::-1]])


@functools.cache
def _spread(count: int, points: int) -> NDArray[np.float64]:
    """Return the weights that interpolate `count` values to that many points."""
    positions, knots = np.linspace(0, 1, points), np.linspace(0, 1, count)
    return np.stack([np.interp(positions, knots, row) for row in np.eye(count)], axis=1)


def normals(curve: Points) -> Points:
    """Return the directions at right angles to a curve at its points, to the left of someone who walks along it on the picture."""
    direction = np.empty_like(curve)
    direction[1:-1] = curve[2:] - curve[:-2]
    direction[0], direction[-1] = curve[1] - curve[0], curve[-1] - curve[-2]
    direction /= np.maximum(np.hypot(direction[:, 0], direction[:, 1])[:, None], 1e-6)
    return np.stack([direction[:, 1], -direction[:, 0]], axis=1)


def resample(points: Points, count: int) -> Points:
    """Return `count` points evenly spread over the length of a curve."""
    length = np.zeros(len(points))
    np.cumsum(np.hypot(*np.diff(points, axis=0).T), out=length[1:])
    wanted = np.linspace(0, length[-1], count)
    return np.stack([np.interp(wanted, length, points[:, 0]), np.interp(wanted, length, points[:, 1])], axis=1)


def placed(points: ArrayLike, x: float = CENTRE, y: float = 0.0, *, side: int = 1) -> Points:
    """Return points given relative to (x, y) in picture coordinates; `side` -1 turns them from right to left first.

    >>> placed([[2, 5]], side=-1).tolist()
    [[87.0, 5.0]]
    """
    return np.add(np.multiply(points, (side, 1.0)), (x, y))


def both(points: ArrayLike, x: float = 0.0, y: float = 0.0) -> Points:
    """Return an outline on both sides of the face, [2, n, 2]; it is given relative to a point `x` from the middle, outwards.

    >>> both([[2, 5]], x=20).tolist()
    [[[67.0, 5.0]], [[111.0, 5.0]]]
    """
    return np.stack([placed(points, CENTRE - x, y, side=-1), placed(points, CENTRE + x, y)])


def mirrored(half: ArrayLike) -> Points:
    """Return a closed outline's knots from its right half, given from top to bottom as (distance from the middle, y).

    >>> mirrored([[0, 1], [5, 2], [0, 3]]).tolist()
    [[89.0, 1.0], [94.0, 2.0], [89.0, 3.0], [84.0, 2.0]]
    """
    right = np.asarray(half, np.float64)
    left = right[-2:0:-1] * (-1, 1)
    return placed(np.concatenate([right, left]))


def flipped(points: ArrayLike) -> Points:
    """Return the mirror image left to right.

    >>> flipped([[80, 5]]).tolist()
    [[98.0, 5.0]]
    """
    return placed(points, 2 * CENTRE, side=-1)
