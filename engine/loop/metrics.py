"""How well each task does on a split, from the logits of all its samples."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from engine.journal.records import Constant, TaskMetrics
from engine.loop.curve import auroc, average_precision, probabilities, task_curve

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


_ROUNDING = 1e-6


def split_metrics(
    logits: Float[Tensor, "sample task"],
    labels: Int[Tensor, "sample task"],
    tasks: Sequence[str],
    majority: Sequence[bool],
    thresholds: Sequence[float],
) -> tuple[TaskMetrics, ...]:
    """Return each task's metrics over its labelled samples.

    Args:
        logits: float32, one row per sample of the split, on the CPU.
        labels: 1, 0, or -1 for not labelled.
        tasks: Task names.
        majority: Per task, whether the training split's more frequent class is 1.
        thresholds: Per task, the probability above which the answer is "present".
    """
    samples = zip(tasks, labelled_samples(logits, labels), majority, thresholds, strict=True)
    return tuple(_task_metrics(task, *answers, always_positive, threshold) for task, answers, always_positive, threshold in samples)


def labelled_samples(
    logits: Float[Tensor, "sample task"], labels: Int[Tensor, "sample task"]
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Return per task the logits of its labelled samples, and whether each is positive."""
    columns = zip(logits.T.contiguous().numpy(), labels.T.contiguous().numpy(), strict=True)
    return [(values[known >= 0], known[known >= 0] == 1) for values, known in columns]


def _task_metrics(
    task: str, logits: NDArray[np.float32], positive: NDArray[np.bool_], always_positive: bool, threshold: float
) -> TaskMetrics:
    num_labelled, num_positive = len(positive), int(positive.sum())
    any_labelled, any_positive, both = num_labelled > 0, num_positive > 0, 0 < num_positive < num_labelled
    scores = probabilities(logits)
    answers = scores > threshold
    true_pos, num_answered = int((answers & positive).sum()), int(answers.sum())
    true_neg = num_labelled - num_positive - (num_answered - true_pos)
    precision, recall = _ratio(true_pos, num_answered), _ratio(true_pos, num_positive)
    curve = task_curve(logits, positive) if both else None
    return TaskMetrics(
        task=task,
        num_labelled=num_labelled,
        num_positive=num_positive,
        threshold=threshold,
        loss=_loss(logits, positive) if any_labelled else None,
        accuracy=_ratio(true_pos + true_neg, num_labelled) if any_labelled else None,
        balanced_accuracy=(recall + _ratio(true_neg, num_labelled - num_positive)) / 2 if both else None,
        precision=precision if any_positive else None,
        recall=recall if any_positive else None,
        f1=_ratio(2 * true_pos, num_answered + num_positive) if any_positive else None,
        auroc=auroc(curve) if curve else None,
        average_precision=average_precision(curve) if curve else None,
        calibration_error=calibration_error(scores, positive) if any_labelled else None,
        majority_accuracy=_ratio(num_positive if always_positive else num_labelled - num_positive, num_labelled) if any_labelled else None,
        all_positive_f1=_ratio(2 * num_positive, num_labelled + num_positive) if any_positive else None,
        constant=_constant(logits, num_answered, both=both),
    )


def _constant(logits: NDArray[np.float32], num_answered: int, *, both: bool) -> Constant | None:
    """Return what is the same for all samples; of a dead layer only the bias is left, and kernels may round it in different ways."""
    if len(logits) > 1 and np.ptp(logits) <= _ROUNDING * max(1.0, float(np.abs(logits).max())):
        return "logits"
    return "answers" if both and num_answered in (0, len(logits)) else None


def _loss(logits: NDArray[np.float32], positive: NDArray[np.bool_]) -> float:
    values, targets = torch.from_numpy(logits).double(), torch.from_numpy(positive).double()
    return binary_cross_entropy_with_logits(values, targets).item()


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
