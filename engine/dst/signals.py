"""DST's metrics: pure functions from the tasks' history to probabilities, one entry per task.

Source: Malhotra, Vatsa and Singh, "Dropped Scheduled Task: Mitigating Negative Transfer in Multi-task Learning using Dynamic Task
Dropping", TMLR 2023. V(k, t) is the mean training loss of task t over epoch k; k counts from 1 there and here.
"""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

EPSILON = 1e-12
"""Losses below this are taken for zero: quotients of them would be noise."""


def depth_metric(depths: Vector) -> Vector:
    """Return Pd = d_t / max d: deep tasks need more training.

    Args:
        depths: [T] weight layers from the image to each task's output, at least 1.

    >>> depth_metric(np.array([9.0, 18.0]))
    array([0.5, 1. ])
    """
    return depths / depths.max()


def count_metric(counts: Vector) -> Vector:
    """Return Pc = c_t / max c: tasks with more labels are trained more often. All 1 when nobody has any.

    Args:
        counts: [T] training samples per task, at least 0.

    >>> count_metric(np.array([50.0, 200.0]))
    array([0.25, 1.  ])
    """
    largest = counts.max()
    return counts / largest if largest > 0 else np.ones_like(counts)


def remaining_share(first: Vector, last: Vector) -> Vector:
    """Return I = V(k-1) / V(1): what is left of the first loss.

    Where V(1) is zero, I is 1 if the loss has risen since and 0 if not.

    Args:
        first: [T] V(1, t).
        last: [T] V(k-1, t).

    >>> remaining_share(np.array([1.0, 0.5]), np.array([0.25, 0.75]))
    array([0.25, 1.5 ])
    """
    was_zero = first <= EPSILON
    return np.where(was_zero, (last > EPSILON).astype(np.float64), last / np.where(was_zero, 1.0, first))


def incompleteness_metric(first: Vector, last: Vector) -> Vector:
    """Return Pu = min(1, I / mean I): tasks that have come far are trained less. All 1 where the mean is zero.

    Args:
        first: [T] V(1, t).
        last: [T] V(k-1, t).

    >>> incompleteness_metric(np.array([1.0, 1.0]), np.array([0.25, 0.75]))
    array([0.5, 1. ])
    """
    shares = remaining_share(first, last)
    mean = shares.mean()
    return np.minimum(1.0, shares / mean) if mean > EPSILON else np.ones_like(shares)


def relative_change(before_last: Vector, last: Vector, incompleteness: Vector) -> Vector:
    """Return R = min(1 / Pu, T) · (V(k-1) - V(k-2)) / V(k-2): what the last epoch changed. 0 where V(k-2) is zero.

    Args:
        before_last: [T] V(k-2, t).
        last: [T] V(k-1, t).
        incompleteness: [T] Pu of the same epoch.

    >>> relative_change(np.array([1.0, 1.0]), np.array([0.9, 0.7]), np.array([1.0, 0.75])).round(6)
    array([-0.1, -0.4])
    """
    was_zero = before_last <= EPSILON
    change = np.where(was_zero, 0.0, (last - before_last) / np.where(was_zero, 1.0, before_last))
    return change / np.maximum(incompleteness, 1.0 / len(last))


def progress(change: Vector) -> Vector:
    """Return R' = max(0, -R): how far a task came, 0 for one that stands still or loses ground.

    >>> progress(np.array([-0.25, 0.5])).tolist()
    [0.25, 0.0]
    """
    return np.maximum(0.0, -change)


def stagnancy_metric(before_last: Vector, last: Vector, incompleteness: Vector) -> Vector:
    """Return Pr: 1 for tasks that learn no faster than the mean, mean R' / R' for those that do.

    The paper's quotient E(R) / R equals mean R' / R' whenever all losses fall; R' keeps it sane when some rise or stand still.
    Pr >= 1 / T, because no R' exceeds T times the mean.

    Args:
        before_last: [T] V(k-2, t).
        last: [T] V(k-1, t).
        incompleteness: [T] Pu of the same epoch.

    >>> stagnancy_metric(np.array([1.0, 1.0]), np.array([0.9, 0.7]), np.array([1.0, 1.0])).round(6)
    array([1.      , 0.666667])
    """
    steps = progress(relative_change(before_last, last, incompleteness))
    mean = steps.mean()
    faster = steps > mean
    return np.where(faster, mean / np.where(faster, steps, 1.0), 1.0)
