"""Who is in which batch: a pure function of (seed, epoch, step). Nothing else decides who is trained on when.

Because no state is involved, any step can be computed without the steps before it (resume), and the global batch does not depend
on how many ranks share it (elastic). Memory does not grow with the number of samples: a range of ids stays a range, and a shuffle is
a keyed permutation that is evaluated where it is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.chance import seed_of
from engine.pipeline.permutation import Permutation
from engine.pipeline.window import WindowShuffle

Shuffle = Literal["none", "global", "window"]
Ids = range | NDArray[np.int64]
"""Sample ids, rising: a range, or [n] of them."""

_KEPT_EPOCHS = 4
_Permute = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """One rank's part of a global batch."""

    ids: NDArray[np.int64]
    """[batch_size / world_size] sample ids; the last valid id of the global batch is repeated where there are no more samples."""
    num_valid: int
    """How many of `ids`, from the front, are samples; the rest is padding."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Order:
    """The global batches of a set of samples."""

    ids: Ids
    """Sample ids of a split, or of a part of it."""
    batch_size: int
    """Samples in a global batch."""
    seed: int = 0
    """Decides the shuffles."""
    shuffle: Shuffle = "none"
    """`none`: in the order of the ids, every epoch; `global`: a permutation of all samples each epoch; `window`: see `WindowShuffle`."""
    drop_last: bool = False
    """Leave out the last global batch of an epoch if it is not full."""
    shard_sizes: NDArray[np.int64] | None = None
    """`window`: [shards] how many of `ids` each shard holds, in their order."""
    window_shards: int | None = None
    """`window`: shards that are mixed."""
    _permutations: dict[int, _Permute] = field(default_factory=dict, init=False, repr=False)
    """Epoch -> its shuffle, of the epochs last asked for: while one ends, the next is read ahead, by another thread."""

    def __post_init__(self) -> None:
        """Check that there is something to iterate over."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, expected at least 1")
        if (isinstance(self.ids, range) and self.ids.step != 1) or not self.steps_per_epoch:
            raise ValueError(f"{len(self.ids)} samples make no batch of {self.batch_size} (drop_last={self.drop_last})")
        if self.shuffle == "window":
            if self.shard_sizes is None or self.window_shards is None:
                raise ValueError("shuffle 'window' needs shard_sizes and window_shards")
            if int(self.shard_sizes.sum()) != len(self.ids):
                raise ValueError(f"shard_sizes add up to {int(self.shard_sizes.sum())}, but there are {len(self.ids)} samples")

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of global batches in an epoch."""
        full, rest = divmod(len(self.ids), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def window(self, epoch: int, step: int) -> tuple[int, int]:
        """Return the window that a global batch begins in, and the number of windows in the epoch; (0, 1) where there are none."""
        shuffle = self._permutation(epoch) if self.shuffle == "window" else None
        return (shuffle.window_at(step * self.batch_size), shuffle.num_windows) if isinstance(shuffle, WindowShuffle) else (0, 1)

    def shards_of_window(self, epoch: int, window: int) -> NDArray[np.int64]:
        """Return one sample id of each shard in a window; none where there are no windows."""
        shuffle = self._permutation(epoch) if self.shuffle == "window" else None
        positions = shuffle.first_of_shards(window) if isinstance(shuffle, WindowShuffle) else np.empty(0, np.int64)
        return positions + self.ids.start if isinstance(self.ids, range) else self.ids[positions]

    def batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        """Return the sample ids of a global batch.

        Args:
            epoch: Epoch, from 0.
            step: Step inside the epoch, 0 to steps_per_epoch - 1.

        Returns:
            [batch_size] ids; fewer in an epoch's last batch if that is not full.
        """
        if not 0 <= step < self.steps_per_epoch:
            raise ValueError(f"step is {step}, expected 0 to {self.steps_per_epoch - 1}")
        return self._ids_at(epoch, step * self.batch_size, min((step + 1) * self.batch_size, len(self.ids)))

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return the sample ids of all global batches of an epoch, one after the other."""
        return self._ids_at(epoch, 0, min(self.steps_per_epoch * self.batch_size, len(self.ids)))

    def _ids_at(self, epoch: int, first: int, stop: int) -> NDArray[np.int64]:
        positions = np.arange(first, stop, dtype=np.int64)
        if self.shuffle != "none":
            positions = self._permutation(epoch)(positions)
        return positions + self.ids.start if isinstance(self.ids, range) else self.ids[positions]

    def rank_slice(self, epoch: int, step: int, rank: int, world_size: int) -> Slice:
        """Return one rank's part of a global batch: a contiguous piece, of the same length on every rank and in every step.

        Args:
            epoch: Epoch, from 0.
            step: Step inside the epoch.
            rank: 0 to world_size - 1.
            world_size: Number of ranks; must divide the batch size.
        """
        return self.slice_of(self.batch(epoch, step), rank, world_size)

    def slice_of(self, ids: NDArray[np.int64], rank: int, world_size: int) -> Slice:
        """Return one rank's part of a global batch that is known already; arguments as in `rank_slice`."""
        if self.batch_size % world_size:
            raise ValueError(f"batch_size {self.batch_size} cannot be shared evenly by {world_size} ranks")
        length = self.batch_size // world_size
        num_valid = min(max(len(ids) - rank * length, 0), length)
        padded = np.concatenate([ids, np.full(self.batch_size - len(ids), ids[-1], np.int64)])
        return Slice(ids=padded[rank * length : (rank + 1) * length], num_valid=num_valid)

    def _permutation(self, epoch: int) -> _Permute:
        found = self._permutations.get(epoch)
        if found is None:
            for old in list(self._permutations)[: 1 - _KEPT_EPOCHS]:
                self._permutations.pop(old, None)
            found = self._permutations[epoch] = self._new_permutation(epoch)
        return found

    def _new_permutation(self, epoch: int) -> _Permute:
        seed = seed_of(self.seed, "order", epoch)
        if self.shard_sizes is None or self.window_shards is None:
            return Permutation(len(self.ids), seed)
        return WindowShuffle(self.shard_sizes, self.window_shards, seed)
