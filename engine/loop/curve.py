"""What a task's answers come to at every threshold, from one sort of its logits."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.journal.records import HALF


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Counts for each different logit of a task, highest first. Samples of equal logits cannot be told apart: they count together."""

    logits: NDArray[np.float32]
    """[c] the different logits, falling."""
    true_pos: NDArray[np.int64]
    """[c] positives whose logit is at least this."""
    false_pos: NDArray[np.int64]
    """[c] negatives whose logit is at least this."""

    @property
    def num_positive(self) -> int:
        """Return the number of positives."""
        return int(self.true_pos[-1])

    @property
    def num_negative(self) -> int:
        """Return the number of negatives."""
        return int(self.false_pos[-1])


def task_curve(logits: NDArray[np.float32], positive: NDArray[np.bool_]) -> Curve:
    """Return the curve of a task.

    Args:
        logits: [n] of the labelled samples, at least one.
        positive: [n] whether each is labelled 1.
    """
    order = np.argsort(logits)[::-1]
    falling = logits[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    true_pos = np.cumsum(positive[order], dtype=np.int64)[ends]
    return Curve(logits=falling[ends], true_pos=true_pos, false_pos=ends + 1 - true_pos)


def auroc(curve: Curve) -> float:
    """Return the area under the ROC curve: the share of pairs of a positive and a negative that are in the right order, equals as halves.

    It is the statistic of Mann and Whitney (1947), counted in whole numbers: nothing is lost to rounding. Both classes must be there.
    """
    higher = np.concatenate([[0], curve.true_pos[:-1]])
    # Twice the pairs: each negative, with the positives above it and half of those beside it.
    pairs = np.diff(curve.false_pos, prepend=0) @ (higher + curve.true_pos)
    return int(pairs) / (2 * curve.num_positive * curve.num_negative)


def average_precision(curve: Curve) -> float:
    """Return the sum over the thresholds of precision times the recall gained there, without interpolation; a positive must be there."""
    precision = curve.true_pos / (curve.true_pos + curve.false_pos)
    return float(np.diff(curve.true_pos, prepend=0) @ precision) / curve.num_positive


def best_threshold(curve: Curve) -> float:
    """Return the probability above which the answer must be "present" for the largest balanced accuracy.

    Every threshold between two neighbouring probabilities gives the same answers. It is represented by 0.5 if that is one of them, else
    by the middle: far from both, so that no rounding turns an answer. Of equally good ones that nearest to 0.5 is taken.

    Args:
        curve: A task with both classes.

    Returns:
        A number that float32 holds exactly, 0 to 1.
    """
    values = probabilities(curve.logits)
    # Cut k answers "present" to the first k different logits.
    above, below = np.concatenate([[1.0], values]), np.concatenate([values, [0.0]])
    true_pos, false_pos = (np.concatenate([[0], counts]) for counts in (curve.true_pos, curve.false_pos))
    middle = ((above + below) / 2).astype(np.float32).astype(np.float64)
    threshold = np.where((below <= HALF) & (above > HALF), HALF, middle)
    # Whole numbers, in which equals are equal: balanced accuracy times 2 * positives * negatives.
    score = true_pos * curve.num_negative + (curve.num_negative - false_pos) * curve.num_positive
    # Probabilities next to 0 or 1 may lie too close together for a threshold between them.
    usable = (below <= threshold) & (threshold < above)
    best = usable & (score == score[usable].max())
    return float(threshold[np.where(best, np.abs(threshold - HALF), np.inf).argmin()])


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sigmoid of each logit; float64 tells apart what float32 rounds together."""
    return torch.from_numpy(logits).double().sigmoid().numpy()
