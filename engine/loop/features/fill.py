"""Computing what is missing: one run at a time, all its ranks together."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from engine.loop.features.compute import Pass, TapStore
from engine.loop.features.images import shard_state
from engine.loop.features.rendezvous import Rendezvous
from engine.loop.features.store import BLOCK, FeatureStore
from engine.loop.stop import StopRequest, WaitedTooLong
from shards.dataset import ShardDataset
from shards.errors import DataError, Interrupted


@runtime_checkable
class Progress(Protocol):
    """What is told of features that are computed."""

    def begin(self, num_bytes: int, folder: Path) -> None:
        """Tell what they will take on the disk, before the first is computed."""

    def __call__(self, done: int, total: int, seconds: float) -> None:
        """Tell how many of the samples are done, and in what time."""


"""Takes samples done, samples to do (by all ranks), and the seconds so far."""


def is_wanting(stores: Sequence[TapStore], blocks: NDArray[np.int64], dataset: ShardDataset) -> bool:
    """Return whether there is something to compute."""
    return bool(len(_missing(stores, blocks))) or any(_outdated(entry.store, blocks, dataset) for entry in stores)


def share(blocks: NDArray[np.int64], accelerator: Accelerator) -> NDArray[np.int64]:
    """Return the blocks that this rank looks after."""
    return blocks[accelerator.process_index :: accelerator.num_processes]


def fill(
    stores: Sequence[TapStore],
    blocks: NDArray[np.int64],
    dataset: ShardDataset,
    accelerator: Accelerator,
    compute: Pass,
    progress: Progress,
) -> None:
    """Compute the features that are missing. A collective call; while they compute, ranks do not talk to each other.

    Args:
        stores: Where they go.
        blocks: The blocks that the run needs.
        dataset: The data set.
        accelerator: The ranks.
        compute: Computes some blocks.
        progress: Told now and then.

    Raises:
        ConfigurationError: A folder cannot be written.
        DataError: The disk is full; an image is damaged; the ranks do not see one folder.
        Interrupted: A signal came.
    """
    folder = stores[0].store.folder.parent
    with StopRequest(accelerator) as stop:
        look = _Watch(stores, blocks, stop, progress)
        rendezvous = Rendezvous(accelerator, look)
        with rendezvous.alone_in([entry.store.folder for entry in stores]):
            if accelerator.is_main_process:
                for entry in stores:
                    entry.store.forget(_outdated(entry.store, blocks, dataset))
                progress.begin(_check_space(folder, stores, blocks), folder)
            rendezvous.meet()
            missing = _missing(stores, blocks)
            # Every rank looks before any of them writes: they have to agree on who does what.
            rendezvous.meet()
            try:
                compute(share(missing, accelerator), look)
            except WaitedTooLong:
                look()
            rendezvous.meet()
            left = _missing(stores, blocks)
            if len(left):
                raise DataError(
                    f"features.dir {folder}: block {left[0]} is not here although all processes are done; name a folder that all of them "
                    "have in common"
                )
        rendezvous.close()
        look()


class _Watch:
    """Called now and then: ends the work if a signal has come, and tells how far it is."""

    def __init__(self, stores: Sequence[TapStore], blocks: NDArray[np.int64], stop: StopRequest, progress: Progress) -> None:
        self._stores = stores
        self._blocks = blocks
        self._stop = stop
        self._progress = progress
        self._started = time.monotonic()
        self._total = 0

    def __call__(self) -> None:
        """Look.

        Raises:
            Interrupted: A signal has come.
        """
        first = self._stores[0].store
        if self._stop.received:
            raise Interrupted(
                f"stopped by a signal while features were computed; what is finished stays in {first.folder.parent}, and the same command "
                "goes on"
            )
        left = sum(len(first.ids_of(block)) for block in _missing(self._stores, self._blocks).tolist())
        # Blocks may be forgotten on the way.
        self._total = max(self._total, left)
        if self._total:
            self._progress(self._total - left, self._total, time.monotonic() - self._started)


def _missing(stores: Sequence[TapStore], blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([entry.store.missing(blocks) for entry in stores]))


def _outdated(store: FeatureStore, blocks: NDArray[np.int64], dataset: ShardDataset) -> list[int]:
    """Return blocks with samples that were damaged, in a shard that has been touched since: it may have been restored."""
    return sorted({sample // BLOCK for sample, bad in store.bad(blocks).items() if bad.shard != shard_state(dataset, sample)})


def _check_space(folder: Path, stores: Sequence[TapStore], blocks: NDArray[np.int64]) -> int:
    """Return the bytes that the missing blocks will take; refuse where they do not fit."""
    needed = sum(entry.store.num_bytes(entry.store.missing(blocks)) for entry in stores)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"features.dir {folder}: features need {needed / 1e9:.3g} GB, and the disk has {free / 1e9:.3g} GB; free some, set "
            "features.dtype float16, or name another folder"
        )
    return needed
