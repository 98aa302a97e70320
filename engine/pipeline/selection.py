"""Which samples of the training split a run learns from: all, the first so many, or those whose keys are listed."""

from pathlib import Path
from typing import Any

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
    is_there = np.zeros(len(wanted), np.bool_)
    found = list[NDArray[np.int64]]()
    # Piece by piece, so that the keys of a huge data set are never all in memory.
    for start in range(split.start, split.stop, _CHUNK):
        keys = dataset.keys[start : min(start + _CHUNK, split.stop)]
        places = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        hits = np.flatnonzero(wanted[places] == keys)
        is_there[places[hits]] = True
        found.append(start + hits)
    if not is_there.all():
        missing = wanted[~is_there]
        names = ", ".join(repr(key.decode("ascii", "replace")) for key in missing[:3].tolist())
        raise ConfigurationError(f"{path}: {len(missing)} of {len(wanted)} keys are not in the training split: {names}, …")
    return np.concatenate(found)


def _read_keys(path: Path) -> NDArray[Any]:
    """Return the listed keys, sorted."""
    try:
        keys = np.sort(np.array(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(), np.bytes_))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); data.keys names a text file with one key per line") from error
    if not len(keys):
        raise ConfigurationError(f"{path}: holds no keys; expected one per line")
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        raise ConfigurationError(f"{path}: lists {keys[twice[0]].decode('ascii', 'replace')!r} twice")
    return keys
