"""The paired bootstrap: would the difference between two variants survive other seeds and other test samples?"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.chance import generator

Measure = Literal["balanced_accuracy", "accuracy", "f1"]
Array = NDArray[np.float64]
Answers = NDArray[np.bool_]
"""[S, N, T] whether a variant's run of each seed calls each test sample positive, per task."""

CHUNK_ENTRIES = 1 << 22
"""Sample weights that are in memory at a time."""
_EXACT_IN_FLOAT32 = 1 << 24


class Resamples:
    """Every variant's scores under the same resamples of seeds and test samples.

    Two levels are drawn with replacement, independently: S of the S seeds, and N of the N test samples. One draw holds for all variants,
    tasks and seeds, so that what is compared was tested on the same samples.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; for paired system comparison Koehn, "Statistical Significance
    Tests for Machine Translation Evaluation", EMNLP 2004.
    """

    def __init__(
        self, answers: Sequence[Answers], labels: NDArray[np.int8], measure: Measure, *, num_resamples: int, seed: int = 0
    ) -> None:
        """Draw the resamples and score every variant under each.

        Args:
            answers: One entry per variant.
            labels: [N, T] 1, 0, or -1 for not labelled.
            measure: What is computed from the counts of right and wrong answers.
            num_resamples: B.
            seed: Decides the draws.
        """
        num_samples, num_tasks = labels.shape
        num_seeds = len(answers[0])
        chance = generator(seed, "bootstrap seeds")
        drawn = chance.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=num_resamples)
        self._seed_shares: Array = drawn / num_seeds
        self._scores = np.empty((len(answers), num_resamples, num_seeds, num_tasks))
        positive, negative = labels == 1, labels == 0
        score = _FORMULAS[measure]
        for rows, weights in _weights(num_samples, num_resamples, generator(seed, "bootstrap samples")):
            num_positive, num_negative = (_sums(weights, part[None])[:, 0] for part in (positive, negative))
            for variant, answered in enumerate(answers):
                true_positive, false_positive = _sums(weights, answered & positive), _sums(weights, answered & negative)
                counts = (true_positive, false_positive, num_positive[:, None], num_negative[:, None])
                with np.errstate(divide="ignore", invalid="ignore"):
                    self._scores[variant, rows] = score(*counts)

    def differences(self, variant: int, baseline: int) -> Array:
        """Return [B, T + 1]: the variant's score minus the baseline's per resample, the mean over the tasks last.

        NaN where a resample has no sample of a class that the measure needs; the mean is over the other tasks.
        """
        per_seed = self._scores[variant] - self._scores[baseline]
        per_task = (self._seed_shares[:, :, None] * per_seed).sum(1)
        defined = ~np.isnan(per_task)
        counts = defined.sum(1)
        means = np.where(counts > 0, np.where(defined, per_task, 0.0).sum(1) / np.maximum(counts, 1), np.nan)
        return np.column_stack([per_task, means])


def p_value(differences: Array) -> float | None:
    """Return the two-sided p-value 2 · min(share ≤ 0, share ≥ 0), at most 1; None without a defined difference.

    Each share counts one resample more than were drawn, the data themselves: no p-value is 0.

    >>> p_value(np.array([0.1, 0.2, 0.3])), p_value(np.array([0.0, 0.0, 0.0])), p_value(np.array([np.nan]))
    (0.5, 1.0, None)
    """
    known = differences[~np.isnan(differences)]
    if not len(known):
        return None
    below, above = int((known <= 0).sum()), int((known >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(known) + 1))


def interval(differences: Array, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile interval that holds the given share, 0 to 1, of the differences; None without any.

    >>> interval(np.array([1.0, 1.0, np.nan]))
    (1.0, 1.0)
    """
    known = differences[~np.isnan(differences)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _weights(num_samples: int, num_resamples: int, chance: np.random.Generator) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    """Yield the rows of each chunk of resamples, and [rows, N] how often each sample was drawn in them."""
    dtype = np.float32 if num_samples < _EXACT_IN_FLOAT32 else np.float64
    size = max(1, CHUNK_ENTRIES // max(1, num_samples))
    for start in range(0, num_resamples, size):
        rows = slice(start, min(start + size, num_resamples))
        height = rows.stop - rows.start
        drawn = chance.integers(0, max(1, num_samples), size=(height, num_samples))
        drawn += np.arange(height)[:, None] * num_samples
        counts = np.bincount(drawn.ravel(), minlength=height * num_samples)
        yield rows, counts.reshape(height, num_samples).astype(dtype)


def _sums(weights: NDArray[np.floating], chosen: Answers) -> Array:
    """Return [rows, S, T]: the weight of the chosen samples. A product of matrices: whole numbers, exact in the weights' type."""
    num_seeds, num_samples, num_tasks = chosen.shape
    columns = chosen.transpose(1, 0, 2).reshape(num_samples, num_seeds * num_tasks)
    return (weights @ columns.astype(weights.dtype)).astype(np.float64).reshape(-1, num_seeds, num_tasks)


def _accuracy(true_positive: Array, false_positive: Array, num_positive: Array, num_negative: Array) -> Array:
    return (true_positive + num_negative - false_positive) / (num_positive + num_negative)


def _balanced_accuracy(true_positive: Array, false_positive: Array, num_positive: Array, num_negative: Array) -> Array:
    return (true_positive / num_positive + (num_negative - false_positive) / num_negative) / 2


def _f1(true_positive: Array, false_positive: Array, num_positive: Array, _num_negative: Array) -> Array:
    return np.where(num_positive > 0, 2 * true_positive / (true_positive + false_positive + num_positive), np.nan)


_FORMULAS: dict[Measure, Callable[[Array, Array, Array, Array], Array]] = {
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": _accuracy,
    "f1": _f1,
}
