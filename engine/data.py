"""What a run is about: the data set, the samples of each split, and the tasks."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.config import DataConfig
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.fingerprint import data_set_in_words, samples_in_words
from engine.pipeline.order import Ids
from engine.pipeline.selection import training_ids
from engine.pipeline.source import ByteSource
from engine.tasks import Tasks, choose_tasks
from shards.annotations import SPLITS
from shards.dataset import ShardDataset
from shards.errors import DataError

_NUM_PROBES = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """The opened data set and what of it is used."""

    dataset: ShardDataset
    """The data set."""
    ids: dict[str, Ids]
    """Split -> ids of its samples that are used."""
    tasks: Tasks
    """Tasks, and their labels among the training samples."""

    def in_words(self) -> str:
        """Return what tells these data from others: hashes of images and labels, and the training samples that are used."""
        return f"{data_set_in_words(self.dataset)}, train {samples_in_words(self.ids['train'])}"


def open_data(config: DataConfig) -> Data:
    """Open the data set, copied to this machine first where it lies at a URL, and verify what is used of it without a checksum of its own.

    Raises:
        DataError: The data set cannot be had, or is damaged.
        ConfigurationError: A task, the limit or a listed key does not fit it.
    """
    dataset = ShardDataset(_local_folder(config))
    # Images are checked one by one as they are read; a flipped bit in a label or an offset would never be seen.
    dataset.verify_arrays()
    _check_shards(dataset)
    ids: dict[str, Ids] = {split: dataset.split_range(split) for split in SPLITS}
    ids["train"] = training_ids(config, dataset)
    return Data(dataset=dataset, ids=ids, tasks=choose_tasks(config.tasks, dataset, ids["train"]))


def _check_shards(dataset: ShardDataset) -> None:
    """Tell the shards of another packing from the index's own: they may be equally large."""
    ids = np.unique(np.linspace(0, len(dataset) - 1, _NUM_PROBES, dtype=np.int64))
    bad_samples = BadSamples(dataset, budget=_NUM_PROBES)
    with closing(ByteSource(dataset, check_crc=True, bad_samples=bad_samples)) as source:
        source.read(ids)
    # A few may be damaged; that is told, or skipped, when it is their turn.
    if 2 * len(bad_samples.reasons) > len(ids):
        shard, key, reason = bad_samples.named()[0]
        raise DataError(
            f"{dataset.folder / shard}: image {key!r} {reason}, as most that were tried; the shards are not those that the index means"
        )


def _local_folder(config: DataConfig) -> Path:
    if config.cache is None:
        return Path(config.shards)
    # Imported here: a data set on this machine needs no fsspec.
    from shards.storage.cache import local_copy

    return local_copy(config.shards, config.cache)
