"""Who goes where: splits, and the order of samples inside the shards, as a pure function of names, labels and seed."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS, Partition
from shards.errors import DataError
from shards.packing.images import find_twice, positions_in

KEY = re.compile(rb"[A-Za-z0-9_-]{1,96}")
"""A key and its suffix must fit the 100 bytes that USTAR has for a name."""

_SUFFIX = re.compile(rb"\.[^./]*\Z")

TRAIN_SHARE = 0.7
MIN_SHARDS = 8
SHARD_BYTES = 64 * 2**20
_CHUNK = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardPlan:
    """One shard to be written."""

    name: str
    """`train-000000`, without a suffix."""
    rows: NDArray[np.int64]
    """[samples]: rows of the annotations, in the order in which they are written."""


def key_of(file: bytes) -> bytes:
    """Return a file's key: its name without the suffix, `_` between the parts of its path.

    >>> key_of(b"one.person/0001.jpg")
    b'one.person_0001'
    """
    return _SUFFIX.sub(b"", file).replace(b"/", b"_")


def keys_of(files: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Return each file's key.

    Args:
        files: [N] image files, relative to the folder of images.

    Raises:
        DataError: A key does not match `KEY`, or two files share one.
    """
    chunks = [_keys_of(files[start : start + _CHUNK].tolist()) for start in range(0, len(files), _CHUNK)]
    keys = np.concatenate(chunks) if chunks else np.array([], "S1")
    if twice := find_twice(keys):
        first, second = (shown(files[row]) for row in twice)
        raise DataError(f"images {first} and {second} have the same key {shown(keys[twice[0]])}; rename one")
    return keys


def random_splits(keys: NDArray[np.bytes_], seed: int) -> NDArray[np.uint8]:
    """Return a seeded random split code for each row: 70 % train, and the rest halved into val and test.

    Args:
        keys: [N] keys. The split is drawn over sorted keys, so the order of rows does not matter.
        seed: Seed of the split.
    """
    order = np.argsort(keys, kind="stable")[np.random.default_rng([seed, len(SPLITS)]).permutation(len(keys))]
    num_train = round(TRAIN_SHARE * len(order))
    num_val = (len(order) - num_train) // 2
    codes = np.full(len(order), 2, np.uint8)
    codes[order[:num_train]] = 0
    codes[order[num_train : num_train + num_val]] = 1
    return codes


def given_splits(files: NDArray[np.bytes_], partition: Partition) -> NDArray[np.uint8]:
    """Return the split code that the partition gives each row.

    Args:
        files: [N] image files as the annotations name them.
        partition: Which split each of them belongs to. It may name more images: a part of a data set is packed with the whole set's file.

    Raises:
        DataError: An image has no split.
    """
    at = positions_in(partition.files, files)
    if (at < 0).any():
        missing = np.flatnonzero(at < 0)
        raise DataError(
            f"the partition file gives no split for {len(missing)} images, first {shown(files[missing[0]])}; "
            "use the file of the same data set"
        )
    return partition.codes[at]


def plan_shards(
    keys: NDArray[np.bytes_], splits: NDArray[np.uint8], sizes: NDArray[np.int64], *, shards_per_split: int | None, seed: int
) -> list[ShardPlan]:
    """Spread the samples over shards by a seeded permutation inside each split.

    Args:
        keys: [N] keys. The permutation is drawn over sorted keys, so the order of rows does not matter.
        splits: [N] split codes.
        sizes: [N] image sizes in bytes.
        shards_per_split: Shards per split, at most one per sample. None: about 64 MiB each, and at least 8 (a small set can then
            still be read in parallel).
        seed: Seed of the permutation.
    """
    by_key = np.argsort(keys, kind="stable")
    plans: list[ShardPlan] = []
    for code, split in enumerate(SPLITS):
        rows = by_key[splits[by_key] == code]
        if not len(rows):
            continue
        rows = rows[np.random.default_rng([seed, code]).permutation(len(rows))]
        wanted = shards_per_split or max(MIN_SHARDS, round(int(sizes[rows].sum()) / SHARD_BYTES))
        parts = np.array_split(rows, min(wanted, len(rows)))
        plans += [ShardPlan(name=f"{split}-{number:06d}", rows=part) for number, part in enumerate(parts)]
    return plans


def _keys_of(files: list[bytes]) -> NDArray[np.bytes_]:
    keys = [key_of(name) for name in files]
    for name, key in zip(files, keys, strict=True):
        if not KEY.fullmatch(key):
            raise DataError(
                f"image {shown(name)}: its path without the suffix, {shown(key)}, becomes the key: 1 to 96 letters, digits, _ and -; "
                "rename file or folder"
            )
    return np.array(keys, np.bytes_)


def shown(name: bytes) -> str:
    """Return a file name or key as a message shows it."""
    return repr(name.decode("utf-8", "backslashreplace"))
