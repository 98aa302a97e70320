"""What a run is about: the data set, the samples of each split, and the tasks."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.config import DataConfig
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.fingerprint import data_set_in_words, samples_in_words
from engine.pipeline.order import Ids
from engine.pipeline.selection import training_ids
from engine.pipeline.source import ByteSource
from shards.annotations import SPLITS
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError, by_spaces, did_you_mean

_NUM_PROBES = 64
_MOST_NAMES = 8
_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """The chosen tasks and their labels in the training split."""

    names: tuple[str, ...]
    """Attribute names, in label order."""
    columns: NDArray[np.int64]
    """[T] their columns in the data set's labels."""
    num_labelled: NDArray[np.int64]
    """[T] training samples with a label."""
    num_positive: NDArray[np.int64]
    """[T] training samples labelled 1."""

    def positive_rates(self) -> tuple[float | None, ...]:
        """Return positives / labelled per task, None without labels."""
        counts = zip(self.num_positive.tolist(), self.num_labelled.tolist(), strict=True)
        return tuple(positive / labelled if labelled else None for positive, labelled in counts)


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


def choose_tasks(names: Sequence[str], dataset: ShardDataset, ids: Ids) -> Tasks:
    """Find the tasks in a data set.

    Args:
        names: Attribute names, or the single word `all`.
        dataset: The data set.
        ids: Training samples, whose labels are counted.

    Raises:
        ConfigurationError: The data set has no such attribute; the nearest one is named.
    """
    attributes = dataset.manifest.attributes
    chosen = attributes if tuple(names) == ("all",) else tuple(names)
    for name in chosen:
        if name not in attributes:
            there = f"(it has {_few(attributes)}; `all` alone means all of them)"
            hint = by_spaces(names, attributes) or did_you_mean(name, [*attributes, "all"])
            raise ConfigurationError(f"data.tasks: the data set has no attribute {name!r}{hint} {there}")
    columns = np.array([attributes.index(name) for name in chosen])
    num_labelled, num_positive = np.zeros(len(columns), np.int64), np.zeros(len(columns), np.int64)
    # Piece by piece, so that a copy of all labels is never in memory.
    for start in range(0, len(ids), _CHUNK):
        labels = dataset.labels[np.asarray(ids[start : start + _CHUNK])][:, columns]
        num_labelled += (labels >= 0).sum(0)
        num_positive += (labels == 1).sum(0)
    return Tasks(names=chosen, columns=columns, num_labelled=num_labelled, num_positive=num_positive)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
