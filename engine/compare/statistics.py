"""What seeds and tasks come to: pure functions from tables of a measure to what is reported.

A table is [S, T], one row per seed and one column per task, higher is better, NaN where the labels do not define the measure.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.compare.student import two_sided

Table = NDArray[np.float64]

_ROUNDING = 1e-12
"""Below this a difference of shares is rounding."""
HARM_BELOW = -2.0
"""Standard errors: a task whose mean difference to single-task training lies below this suffers negative transfer."""


def over_tasks(table: Table) -> Table:
    """Return [S] the mean over the tasks that define the measure; NaN where none does.

    >>> over_tasks(np.array([[0.5, 1.0, np.nan]]))
    array([0.75])
    """
    defined = ~np.isnan(table)
    counts = defined.sum(1)
    return np.where(counts > 0, np.where(defined, table, 0.0).sum(1) / np.maximum(counts, 1), np.nan)


def mean_of(values: Table) -> float | None:
    """Return the mean over seeds, None where a seed lacks the value.

    >>> mean_of(np.array([0.5, 0.75])), mean_of(np.array([0.5, np.nan]))
    (0.625, None)
    """
    mean = float(np.mean(values)) if len(values) else np.nan
    return None if np.isnan(mean) else mean


def deviation_of(values: Table) -> float | None:
    """Return the sample standard deviation over seeds (divisor S - 1), None with fewer than two.

    >>> deviation_of(np.array([1.0, 3.0])) == 2**0.5, deviation_of(np.array([1.0]))
    (True, None)
    """
    if len(values) < 2 or np.isnan(values).any():
        return None
    # Equal numbers have a deviation of exactly 0, whatever their mean rounds to.
    return float(np.std(values, ddof=1)) if np.ptp(values) else 0.0


def standard_error(differences: Table) -> float | None:
    """Return the standard error of the mean of paired differences, sd(d) / √S; None with fewer than two seeds."""
    deviation = deviation_of(differences)
    return None if deviation is None else deviation / len(differences) ** 0.5


def seeds_p(differences: Table) -> float | None:
    """Return the two-sided p-value of the paired t-test over seeds.

    None with fewer than two seeds, and where all differ by the same: shares of a small test split do so by chance, and tell nothing of
    how seeds vary.

    Args:
        differences: [S] one difference per seed.

    >>> seeds_p(np.array([0.0, 2.0])), seeds_p(np.array([1.0, 1.0])), seeds_p(np.array([0.0, 0.0]))
    (0.5, None, 1.0)
    """
    error, mean = standard_error(differences), mean_of(differences)
    if error is None or mean is None:
        return None
    if error < _ROUNDING:
        return 1.0 if abs(mean) < _ROUNDING else None
    return two_sided(mean / error, len(differences) - 1)


def relative_gain(table: Table, single: Table) -> Table:
    """Return [S] Δm in percent: the mean over tasks of (M_t - STL_t) / STL_t.

    Source: Maninis, Radosavovic and Kokkinos, "Attentive Single-Tasking of Multiple Tasks", CVPR 2019; Vandenhende et al.,
    "Multi-Task Learning for Dense Prediction Tasks: A Survey", PAMI 2021. All measures here are better when higher.

    Args:
        table: [S, T] the measure of a variant.
        single: [S, T] that of single-task training with the same seeds.

    Returns:
        [S] percent; NaN for a seed in which single-task training scored 0 on a task.

    >>> relative_gain(np.array([[0.9, 0.4, np.nan]]), np.array([[0.6, 0.5, np.nan]])).round(6)
    array([15.])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(np.isnan(single), np.nan, (table - single) / single)
    mean = over_tasks(np.where(np.isinf(gains), np.nan, gains))
    return np.where((single == 0).any(1), np.nan, 100 * mean)


def suffers(table: Table, single: Table) -> list[bool | None]:
    """Return per task whether it suffers negative transfer: the mean difference to STL is below -2 standard errors.

    The standard error is that of the mean of the differences paired by seed, sd(d) / √S. With few seeds two standard errors are
    a weak bound: see `false_alarm_rate`.

    Args:
        table: [S, T] the measure of a variant.
        single: [S, T] that of single-task training with the same seeds.

    Returns:
        [T]; None with one seed and for tasks whose labels do not define the measure.

    >>> suffers(np.array([[0.4, 0.5], [0.6, 0.5]]), np.array([[0.8, 0.4], [0.8, 0.6]]))
    [True, False]
    """
    verdicts: list[bool | None] = []
    for differences in (table - single).T:
        error, mean = standard_error(differences), mean_of(differences)
        verdicts.append(None if error is None or mean is None else mean < HARM_BELOW * error)
    return verdicts


def false_alarm_rate(num_seeds: int) -> float | None:
    """Return the chance that `suffers` counts a task without any effect, were its differences normal; None with one seed.

    >>> round(false_alarm_rate(3), 3)
    0.092
    """
    return two_sided(HARM_BELOW, num_seeds - 1) / 2 if num_seeds >= 2 else None


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return the p-values adjusted for being many, in the same order; None stays None and does not count.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = largest
    return adjusted
