"""Who goes where: the order of samples inside the shards, as a pure function of keys, splits and seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS

MIN_SHARDS = 8
SHARD_BYTES = 64 * 2**20
_SHRUNK_BYTES = 0.4
"""Bytes for a pixel of the square on the shorter side, of a photograph that was shrunk: 26 KB at 256 pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardPlan:
    """One shard to be written."""

    name: str
    """`train-000000`, without a suffix."""
    rows: NDArray[np.int64]
    """[samples]: rows of the annotations, in the order in which they are written."""


def expected_sizes(sizes: NDArray[np.int64], side: int | None) -> NDArray[np.int64]:
    """Return [N] bytes that images will have when they are packed.

    Args:
        sizes: [N] bytes that they have.
        side: Pixels of the shorter side that they are shrunk to; None packs them as they are.
    """
    return sizes if side is None else np.minimum(sizes, round(side * side * _SHRUNK_BYTES))


def plan_shards(
    keys: NDArray[np.bytes_], splits: NDArray[np.uint8], sizes: NDArray[np.int64], *, shards_per_split: int | None, seed: int
) -> list[ShardPlan]:
    """Spread the samples over shards by a seeded permutation inside each split.

    Args:
        keys: [N] keys. The permutation is drawn over sorted keys, so the order of rows does not matter.
        splits: [N] split codes.
        sizes: [N] image sizes in bytes, known or expected.
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
