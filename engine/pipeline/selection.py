"""Which samples of the training split a run learns from: all, the first so many, or those whose keys are listed."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.config import DataConfig
from engine.pipeline.order import Ids
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError

_CHUNK = 1 << 20


def training_ids(config: DataConfig, dataset: ShardDataset) -> Ids:
    """Return the ids to train on, rising.

    Args:
        config: `limit` and `keys`.
        dataset: The data set.

    Raises:
        ConfigurationError: The limit is larger than what there is; a key is listed twice or is not in the training split.
        DataError: The list cannot be read.
    """
    split = dataset.split_range("train")
    ids: Ids = split if config.keys is None else _ids_of_keys(config.keys, dataset, split)
    if config.limit is not None and config.limit > len(ids):
        raise ConfigurationError(f"data.limit is {config.limit}, but there are {len(ids)} training samples")
    return ids if config.limit is None else ids[: config.limit]


def shard_sizes(dataset: ShardDataset, split: str, ids: Ids) -> NDArray[np.int64]:
    """Return how many of the ids each shard of the split holds, [shards], in the order of the ids."""
    sizes = [shard.samples for shard in dataset.manifest.shards if shard.split == split]
    begins = dataset.split_range(split).start + np.concatenate([[0], np.cumsum(sizes)])
    before = np.clip(begins, ids.start, ids.stop) if isinstance(ids, range) else np.searchsorted(ids, begins)
    counts = np.diff(before).astype(np.int64)
    return counts[counts > 0]


def _ids_of_keys(path: Path, dataset: ShardDataset, split: range) -> NDArray[np.int64]:
    wanted = _read_keys(path)
    num_wanted, found = len(wanted), list[int]()
    # Piece by piece, so that the keys of a huge data set are never all in memory.
    for start in range(split.start, split.stop, _CHUNK):
        stop = min(start + _CHUNK, split.stop)
        for sample_id, key in enumerate(dataset.keys[start:stop].tolist(), start):
            if key in wanted:
                wanted.remove(key)
                found.append(sample_id)
    if wanted:
        names = ", ".join(repr(key.decode("ascii", "replace")) for key in sorted(wanted)[:3])
        raise ConfigurationError(f"{path}: {len(wanted)} of {num_wanted} keys are not in the training split: {names}, …")
    return np.array(found, np.int64)


def _read_keys(path: Path) -> set[bytes]:
    try:
        lines = path.read_bytes().split()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); data.keys names a text file with one key per line") from error
    keys = set(lines)
    if not keys:
        raise ConfigurationError(f"{path}: holds no keys; expected one per line")
    if len(keys) < len(lines):
        twice = Counter(lines).most_common(1)[0][0]
        raise ConfigurationError(f"{path}: lists {twice.decode('ascii', 'replace')!r} twice")
    return keys
