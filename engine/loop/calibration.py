"""How far predicted probabilities are from what happens."""

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15
_EDGES = np.arange(1, NUM_BINS) / NUM_BINS


def calibration_error(probabilities: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of a task.

    The samples are put into 15 bins of equal width by their probability of being positive; the error is the mean over the samples of
    |mean probability - share of positives| of their bin. This is the measure of Naeini, Cooper and Hauskrecht, "Obtaining well calibrated
    probabilities using Bayesian binning" (AAAI 2015), with the bins of Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
    networks" (ICML 2017), section 2: each includes its upper edge.

    >>> round(calibration_error(np.array([0.1, 0.7, 0.72]), np.array([False, True, True])), 4)  # (0.1 + |1.42 - 2|) / 3
    0.2267

    Args:
        probabilities: [n] predicted, 0 to 1, at least one.
        positive: [n] whether each is labelled 1.
    """
    bins = np.searchsorted(_EDGES, probabilities)
    expected = np.bincount(bins, probabilities, NUM_BINS)
    return float(np.abs(expected - np.bincount(bins, positive, NUM_BINS)).sum()) / len(probabilities)
