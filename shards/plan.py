"""Who goes where: splits, and the order of samples inside the shards, as a pure function of names, labels and seed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS, Annotations
from shards.errors import DataError

KEY = re.compile(r"[A-Za-z0-9_-]{1,96}")
"""A key and its suffix must fit the 100 bytes that USTAR has for a name."""

TRAIN_SHARE = 0.7
MIN_SHARDS = 8
SHARD_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardPlan:
    """One shard to be written."""

    name: str
    """`train-000000`, without a suffix."""
    split: int
    """Split code."""
    rows: NDArray[np.int64]
    """[samples]: rows of the annotations, in the order in which they are written."""


def keys_of(files: Sequence[str]) -> tuple[str, ...]:
    """Return each file's key, its stem.

    Raises:
        DataError: A stem does not match `KEY`, or two files share one.
    """
    keys = tuple(name.rpartition(".")[0] or name for name in files)
    seen: dict[str, str] = {}
    for name, key in zip(files, keys, strict=True):
        if not KEY.fullmatch(key):
            raise DataError(f"image {name!r}: its name without the suffix becomes the key: 1 to 96 letters, digits, _ and -; rename it")
        if key in seen:
            raise DataError(f"images {seen[key]!r} and {name!r} have the same key {key!r}; rename one")
        seen[key] = name
    return keys


def split_codes(annotations: Annotations, partition: Mapping[str, int] | None, seed: int) -> NDArray[np.uint8]:
    """Return the split code of each row.

    Args:
        annotations: The images.
        partition: File name to split code (every image must have one), or None for a seeded random split: 70 % train, and the
            rest halved into val and test.
        seed: Seed of the random split. It is drawn over sorted names, so the order of rows does not matter.

    Returns:
        [N] uint8.

    Raises:
        DataError: An image has no split, or the partition names an image that the annotations lack.
    """
    if partition is None:
        by_name = np.argsort(np.array(annotations.files), kind="stable")
        order = by_name[np.random.default_rng([seed, len(SPLITS)]).permutation(len(by_name))]
        num_train = round(TRAIN_SHARE * len(order))
        num_val = (len(order) - num_train) // 2
        codes = np.full(len(order), 2, np.uint8)
        codes[order[:num_train]] = 0
        codes[order[num_train : num_train + num_val]] = 1
        return codes
    missing = [name for name in annotations.files if name not in partition]
    if missing:
        raise DataError(
            f"the partition file gives no split for {len(missing)} images, first {missing[0]!r}; use the file of the same data set"
        )
    surplus = partition.keys() - set(annotations.files)
    if surplus:
        raise DataError(
            f"the partition file names {len(surplus)} images without attributes, first {min(surplus)!r}; use the file of the same data set"
        )
    return np.array([partition[name] for name in annotations.files], np.uint8)


def plan_shards(
    keys: Sequence[str], splits: NDArray[np.uint8], sizes: NDArray[np.int64], *, shards_per_split: int | None, seed: int
) -> list[ShardPlan]:
    """Spread the samples over shards by a seeded permutation inside each split.

    Args:
        keys: Keys, one per row. The permutation is drawn over sorted keys, so the order of rows does not matter.
        splits: [N] split codes.
        sizes: [N] image sizes in bytes.
        shards_per_split: Shards per split, at most one per sample. None: about 64 MiB each, and at least 8 (a small set can then
            still be read in parallel).
        seed: Seed of the permutation.
    """
    by_key = np.argsort(np.array(keys), kind="stable")
    plans: list[ShardPlan] = []
    for code, split in enumerate(SPLITS):
        rows = by_key[splits[by_key] == code]
        if not len(rows):
            continue
        rows = rows[np.random.default_rng([seed, code]).permutation(len(rows))]
        wanted = shards_per_split or max(MIN_SHARDS, round(int(sizes[rows].sum()) / SHARD_BYTES))
        parts = np.array_split(rows, min(wanted, len(rows)))
        plans += [ShardPlan(name=f"{split}-{number:06d}", split=code, rows=part) for number, part in enumerate(parts)]
    return plans
