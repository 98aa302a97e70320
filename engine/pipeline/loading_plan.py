"""What a loader loads: everything that decides its batches, and what that means for one batch on one rank."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.config import AugmentConfig, PipelineConfig
from engine.pipeline.augmentation import Augmentation, Variation
from engine.pipeline.batch import Batch, send
from engine.pipeline.order import Order
from shards.annotations import NOT_LABELLED
from shards.dataset import ShardDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One of the processes that train together: its share of each global batch, and the device its batches are wanted on."""

    rank: int
    """0 to world_size - 1."""
    world_size: int
    """Number of ranks that share each global batch."""
    device: torch.device
    """Device of the batches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One rank's part of one global batch: all of it but the pixels."""

    ids: NDArray[np.int64]
    """[n] sample ids, padding included."""
    num_valid: int
    """How many of them, from the front, are samples."""
    labels: NDArray[np.int8]
    """[n, T]; -1 in the padding."""
    num_labelled: NDArray[np.float32]
    """[T] labelled samples in the whole global batch."""
    variation: Variation
    """What happens to the images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadingPlan:
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

    def share(self, number: int) -> Share:
        """Return this rank's part of a batch, counted from the first of epoch 0."""
        epoch, step = divmod(number, self.order.steps_per_epoch)
        ids = self.order.batch(epoch, step)
        own = self.order.slice_of(ids, self.place.rank, self.place.world_size)
        labels = self.labels(own.ids)
        labels[own.num_valid :] = NOT_LABELLED
        rows = self.dataset.index[own.ids]
        sizes = np.stack([rows["height"], rows["width"]], axis=1).astype(np.int64)
        return Share(
            ids=own.ids,
            num_valid=own.num_valid,
            labels=labels,
            num_labelled=(self.labels(ids) >= 0).sum(0, dtype=np.float32),
            variation=self.augmentation().draw(epoch, step, sizes),
        )

    def augmentation(self) -> Augmentation:
        """Return what draws the variations of this rank's images."""
        return Augmentation(
            self.augment, seed=self.order.seed, batch_size=self.order.batch_size, rank=self.place.rank, world_size=self.place.world_size
        )

    def batch(self, part: Share, images: torch.Tensor, bad: list[int]) -> Batch:
        """Return a batch of images that are on the device.

        Args:
            part: What it is made of.
            images: [n, 3, height, width].
            bad: Places whose samples are damaged.
        """
        part.labels[bad] = NOT_LABELLED
        return Batch(
            images=images,
            labels=send(part.labels, self.place.device),
            ids=torch.from_numpy(part.ids),
            num_valid=part.num_valid,
            num_skipped=len(bad),
            num_labelled=send(part.num_labelled, self.place.device),
            has_labels=part.num_labelled > 0,
        )

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

    def decodes_on_gpu(self) -> bool:
        """Return whether DALI decodes with the GPU."""
        return self.config.backend == "dali" and self.place.device.type == "cuda" and self.config.decoder != "cpu"

    def labels(self, ids: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return [n, T]: the tasks' labels of samples."""
        # Row by row from the mapped table: a copy of a split's labels would grow with the data set.
        return np.ascontiguousarray(self.dataset.labels[ids][:, self.columns])
