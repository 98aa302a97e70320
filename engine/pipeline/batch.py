"""What a loader hands to the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray


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
    num_skipped: int
    """Damaged samples among the valid slots; their images are black, their labels -1."""
    num_labelled: Float[torch.Tensor, " task"]
    """Labelled samples per task in the whole global batch, the same on every rank; skipped ones count, as only their rank knows them."""
    has_labels: NDArray[Any]
    """[T] bool: whether there is any, known without waiting for the device."""

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.images)

    @property
    def inputs(self) -> torch.Tensor:
        """What the model takes."""
        return self.images

    def split(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the model's input and the labels of up to `size` slots at a time."""
        yield from zip(self.images.split(size), self.labels.split(size), strict=True)


def send(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return the array as a tensor on the device, without waiting for the copy.

    Only from pinned memory is a copy to a GPU free of a wait for everything that the GPU was given before.
    """
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
