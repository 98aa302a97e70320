"""What a loader loads: everything that decides its batches, and what that means for one batch on one rank."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.config import AugmentConfig, PipelineConfig
from engine.pipeline.augmentation import Augmentation, Variation
from engine.pipeline.order import Order, Slice
from shards.dataset import ShardDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a loader works: its share of the global batch, and the device its batches are wanted on."""

    rank: int
    """0 to world_size - 1."""
    world_size: int
    """Number of ranks that share each global batch."""
    device: torch.device
    """Device of the batches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that decides a loader's batches, and where they are wanted."""

    dataset: ShardDataset
    """The data set."""
    order: Order
    """The global batches."""
    columns: NDArray[np.int64]
    """[T] label columns of the tasks."""
    config: PipelineConfig
    """Pipeline settings."""
    place: Place
    """Rank and device."""
    augment: AugmentConfig
    """How images are varied; the default leaves them alone."""
    channels_last: bool
    """Memory format of the images."""

    def slice(self, number: int) -> Slice:
        """Return this rank's part of a batch, counted from the first of epoch 0."""
        epoch, step = divmod(number, self.order.steps_per_epoch)
        return self.order.rank_slice(epoch, step, self.place.rank, self.place.world_size)

    def part(self, number: int) -> "Part":
        """Return what this rank has to do for a batch, counted from the first of epoch 0."""
        epoch, step = divmod(number, self.order.steps_per_epoch)
        ids = self.slice(number).ids
        rows = self.dataset.index[ids]
        sizes = np.stack([rows["height"], rows["width"]], axis=1).astype(np.int64)
        augmentation = Augmentation(
            self.augment, seed=self.order.seed, batch_size=self.order.batch_size, rank=self.place.rank, world_size=self.place.world_size
        )
        return Part(ids=ids, variation=augmentation.draw(epoch, step, sizes))

    def size(self) -> tuple[int, int]:
        """Return height and width of a batch's images; where they keep their own, the first one's."""
        first = self.dataset.index[self.order.ids[0]]
        return self.config.size() or (int(first["height"]), int(first["width"]))

    def num_images(self) -> int:
        """Return the number of images in one rank's batch."""
        return self.order.batch_size // self.place.world_size

    def dtype(self) -> torch.dtype:
        """Return the type of the pixels."""
        return torch.float16 if self.config.dtype == "float16" else torch.float32


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one rank has to do for one batch."""

    ids: NDArray[np.int64]
    """Its samples, padding included."""
    variation: Variation
    """What happens to them."""
