"""What a loader hands to the model."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One rank's part of a global batch, on the training device."""

    images: Float[torch.Tensor, "batch 3 height width"]
    """Normalised with ImageNet's mean and standard deviation."""
    labels: Int[torch.Tensor, "batch task"]
    """int8: 1, 0, or -1 where there is no label or the slot is padding."""
    ids: Int[torch.Tensor, " batch"]
    """Sample ids, int64, on the CPU."""
    num_valid: int
    """Slots from the front that hold samples; the rest is padding."""
    num_labelled: Float[torch.Tensor, " task"]
    """Labelled samples per task in the whole global batch: the same on every rank."""
