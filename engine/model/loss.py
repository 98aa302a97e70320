"""Loss of each task."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from engine.config import LossConfig


def task_losses(
    logits: Float[Tensor, "batch task"],
    labels: Int[Tensor, "batch task"],
    num_labelled: Float[Tensor, " task"],
    pos_weight: Float[Tensor, " task"] | None = None,
) -> Float[Tensor, " task"]:
    """Return each task's binary cross-entropy summed over the labelled samples here, divided by their number in the global batch.

    Summed over the ranks (and over the micro batches) of a step this is the mean over the labelled samples of the global batch,
    however unevenly these are spread. A task without any label there has loss 0 and gives no gradient.

    Args:
        logits: Model output of any float type; the loss is computed in float32.
        labels: 1, 0, or -1 for not labelled.
        num_labelled: Labelled samples per task in the global batch.
        pos_weight: Weight of each task's positive samples.
    """
    labelled = labels >= 0
    # Before the loss and after it: a NaN in a slot without label must spread neither forward nor, as 0 · NaN, backward.
    known = torch.where(labelled, logits.float(), 0)
    losses = binary_cross_entropy_with_logits(known, labels.clamp(min=0).float(), pos_weight=pos_weight, reduction="none")
    return torch.where(labelled, losses, 0).sum(0) / num_labelled.clamp(min=1)


def positive_weights(num_positive: Float[Tensor, " task"], num_labelled: Float[Tensor, " task"], config: LossConfig) -> Tensor | None:
    """Return negatives / positives of the training split per task, or None without weighting; 1 for a task with one class only."""
    if config.pos_weight == "none":
        return None
    num_negative = num_labelled - num_positive
    both = (num_positive > 0) & (num_negative > 0)
    return torch.where(both, num_negative / num_positive.clamp(min=1), torch.ones_like(num_positive))
