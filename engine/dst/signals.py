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


def incompleteness_metric(first: Vector, last: Vector) -> Vector:
    """Return Pu = min(1, I / mean I) with I = V(k-1) / V(1): tasks that have come far are trained less.

    Where V(1) is zero, I is 1 if the loss has risen since and 0 if not; where the mean is zero, Pu is 1.

    Args:
        first: [T] V(1, t).
        last: [T] V(k-1, t).

    >>> incompleteness_metric(np.array([1.0, 1.0]), np.array([0.25, 0.75]))
    array([0.5, 1. ])
    """
    was_zero = first <= EPSILON
    ratios = np.where(was_zero, (last > EPSILON).astype(np.float64), last / np.where(was_zero, 1.0, first))
    mean = ratios.mean()
    return np.minimum(1.0, ratios / mean) if mean > EPSILON else np.ones_like(ratios)


def stagnancy_metric(before_last: Vector, last: Vector, incompleteness: Vector) -> Vector:
    """Return Pr: 1 for tasks that learn slower than the mean, mean R' / R' for those that learn faster.

    R = min(1 / Pu, T) · (V(k-1) - V(k-2)) / V(k-2) is the change of the last epoch, R' = max(0, -R) the progress. The paper's
    quotient E(R) / R equals mean R' / R' whenever all losses fall; R' keeps it sane when some rise or stand still. Pr >= 1 / T,
    because no R' exceeds T times the mean.

    Args:
        before_last: [T] V(k-2, t).
        last: [T] V(k-1, t).
        incompleteness: [T] Pu of the same epoch.

    >>> stagnancy_metric(np.array([1.0, 1.0]), np.array([0.9, 0.7]), np.array([1.0, 1.0])).round(6)
    array([1.      , 0.666667])
    """
    was_zero = before_last <= EPSILON
    change = np.where(was_zero, 0.0, (last - before_last) / np.where(was_zero, 1.0, before_last))
    num_tasks = len(last)
    scale = np.minimum(1.0 / np.maximum(incompleteness, 1.0 / num_tasks), num_tasks)
    progress = np.maximum(0.0, -scale * change)
    mean = progress.mean()
    faster = progress > mean
    return np.where(faster, mean / np.where(faster, progress, 1.0), 1.0)
