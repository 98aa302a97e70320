"""One pass of images through the trunk, written block by block."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from engine.loop.features.images import Images
from engine.loop.features.store import FeatureStore
from engine.model.trunk import StagedTrunk
from engine.pipeline.loader import Loader
from shards.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class TapStore:
    """Where the features of a tap go."""

    tap: str
    """Stage."""
    mirrored: bool
    """Of the mirrored images."""
    store: FeatureStore
    """The folder."""


Pass = Callable[[NDArray[np.int64], Callable[[], object]], None]
"""Computes blocks, rising. The second argument is called every few images, and what it raises ends the work."""


class FeaturePass:
    """Runs images through a frozen trunk and stores what its taps see, all of them in one pass."""

    def __init__(self, trunk: StagedTrunk, stores: Sequence[TapStore], images: Images, accelerator: Accelerator, *, size: int) -> None:
        """Bind what stays the same.

        Args:
            trunk: Frozen; it is moved to the device when it has to run.
            stores: Where the features go.
            images: The images.
            accelerator: Device and precision.
            size: Images that go through the trunk at once.
        """
        self._trunk = trunk
        self._stores = stores
        self._images = images
        self._accelerator = accelerator
        self._size = size

    @torch.no_grad()
    def __call__(self, blocks: NDArray[np.int64], look: Callable[[], object]) -> None:
        """Compute blocks.

        Args:
            blocks: Blocks that a store lacks, rising; a store that has one keeps it as it is.
            look: Called before each forward pass; what it raises ends the work.

        Raises:
            DataError: An image that the run needs is damaged, a feature is not finite, or the disk is full.
        """
        if not len(blocks):
            return
        self._trunk.to(self._accelerator.device).eval()
        samples = [self._stores[0].store.ids_of(block) for block in blocks.tolist()]
        missing = [set(entry.store.missing(blocks).tolist()) for entry in self._stores]
        with self._images.loader(np.concatenate([np.asarray(ids) for ids in samples]), self._size) as loader:
            for block, ids in zip(blocks.tolist(), samples, strict=True):
                lacking = [entry for entry, its in zip(self._stores, missing, strict=True) if block in its]
                parts = list[list[Tensor]]()
                for _ in range(0, len(ids), self._size):
                    look()
                    parts.append(self._rows(loader, lacking))
                bad = self._images.judge({sample: reason for sample, reason in loader.bad_samples.reasons.items() if sample in ids})
                for entry, rows in zip(lacking, zip(*parts, strict=True), strict=True):
                    entry.store.write(block, torch.cat(rows), bad)

    def _rows(self, loader: Loader, stores: Sequence[TapStore]) -> list[Tensor]:
        """Return the next images' rows for each store, on the CPU."""
        batch = next(loader)
        with self._accelerator.autocast():
            seen = {flip: self._trunk(batch.images.flip(3) if flip else batch.images) for flip in {entry.mirrored for entry in stores}}
        computed = [seen[entry.mirrored][entry.tap][: batch.num_valid] for entry in stores]
        stored = [value.to(entry.store.dtype) for entry, value in zip(stores, computed, strict=True)]
        for entry, value, its in zip(stores, computed, stored, strict=True):
            # Looked at where it was computed: on an H200's host this took longer than the forward pass.
            if not its.isfinite().all():
                sample = int(batch.ids[(~its.isfinite()).any(1).nonzero()[0, 0].cpu()])
                raise self._not_finite(entry, sample, {value.dtype, its.dtype})
        return [its.to("cpu") for its in stored]

    def _not_finite(self, entry: TapStore, sample: int, types: set[torch.dtype]) -> DataError:
        narrow = "use features.dtype float32 or bfloat16, and train.precision no or bf16"
        return DataError(
            f"{entry.store.folder}: image {self._images.key(sample)!r} has features at {entry.tap} that are not finite; "
            f"{narrow if torch.float16 in types else 'check model.weights'}"
        )
