"""How well each task does on a split, from the logits of all its samples."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.functional.classification import binary_auroc, binary_average_precision, binary_stat_scores

from engine.records import TaskMetrics


def split_metrics(
    logits: Float[Tensor, "sample task"], labels: Int[Tensor, "sample task"], tasks: Sequence[str], majority: Sequence[bool]
) -> tuple[TaskMetrics, ...]:
    """Return each task's metrics over its labelled samples.

    Args:
        logits: float32, one row per sample of the split.
        labels: 1, 0, or -1 for not labelled.
        tasks: Task names.
        majority: Per task, whether the training split's more frequent class is 1.
    """
    return tuple(
        _task_metrics(task, logits[labels[:, column] >= 0, column], labels[labels[:, column] >= 0, column].long(), always_positive)
        for column, (task, always_positive) in enumerate(zip(tasks, majority, strict=True))
    )


def _task_metrics(task: str, logits: Float[Tensor, " labelled"], labels: Int[Tensor, " labelled"], always_positive: bool) -> TaskMetrics:
    num_labelled = len(labels)
    num_positive = int(labels.sum())
    both = 0 < num_positive < num_labelled
    scores = logits.sigmoid()
    # A logit of exactly 0 is a score of 0.5, and torchmetrics answers "positive" only above its threshold.
    true_pos, false_pos, true_neg, false_neg = (
        binary_stat_scores(scores, labels, validate_args=False).tolist()[:4] if num_labelled else [0] * 4
    )
    precision, recall = _ratio(true_pos, true_pos + false_pos), _ratio(true_pos, num_positive)
    return TaskMetrics(
        task=task,
        num_labelled=num_labelled,
        num_positive=num_positive,
        loss=binary_cross_entropy_with_logits(logits, labels.float()).item() if num_labelled else None,
        accuracy=_ratio(true_pos + true_neg, num_labelled) if num_labelled else None,
        balanced_accuracy=(recall + _ratio(true_neg, true_neg + false_pos)) / 2 if both else None,
        precision=precision if num_positive else None,
        recall=recall if num_positive else None,
        f1=_ratio(2 * true_pos, 2 * true_pos + false_pos + false_neg) if num_positive else None,
        # Ranks of logits and of scores are the same, but the sigmoid rounds large ones together.
        auroc=binary_auroc(_ranks(logits), labels, validate_args=False).item() if both else None,
        average_precision=binary_average_precision(_ranks(logits), labels, validate_args=False).item() if both else None,
        majority_accuracy=_ratio(num_positive if always_positive else num_labelled - num_positive, num_labelled) if num_labelled else None,
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _ranks(logits: Float[Tensor, " labelled"]) -> Float[Tensor, " labelled"]:
    """Return the logits' dense ranks scaled into [0, 1]: torchmetrics would put a sigmoid over anything outside it."""
    _, ranks = torch.unique(logits, return_inverse=True)
    return ranks.double() / max(int(ranks.max()), 1)
