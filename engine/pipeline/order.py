"""Who is in which batch: a pure function of (seed, epoch, step). Nothing else decides who is trained on when.

Because no state is involved, any step can be computed without the steps before it (resume), and the global batch does not depend
on how many ranks share it (elastic).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.chance import seed_of
from engine.pipeline.permutation import Permutation


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """One rank's part of a global batch."""

    ids: NDArray[np.int64]
    """[batch_size / world_size] sample ids; the last valid id of the global batch is repeated where there are no more samples."""
    num_valid: int
    """How many of `ids`, from the front, are samples; the rest is padding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The global batches of one split."""

    ids: range
    """Sample ids of the split."""
    batch_size: int
    """Samples in a global batch."""
    seed: int = 0
    """Decides the shuffles."""
    shuffle: bool = False
    """A new permutation of all samples each epoch; off: in the order of the ids, every epoch."""
    drop_last: bool = False
    """Leave out the last global batch of an epoch if it is not full."""

    def __post_init__(self) -> None:
        """Check that there is something to iterate over."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, expected at least 1")
        if self.ids.step != 1 or not self.steps_per_epoch:
            raise ValueError(f"{len(self.ids)} samples make no batch of {self.batch_size} (drop_last={self.drop_last})")

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of global batches in an epoch."""
        full, rest = divmod(len(self.ids), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

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
        positions = np.arange(step * self.batch_size, min((step + 1) * self.batch_size, len(self.ids)), dtype=np.int64)
        if self.shuffle:
            positions = _permutation(len(self.ids), self.seed, epoch)(positions)
        return positions + self.ids.start

    def rank_slice(self, epoch: int, step: int, rank: int, world_size: int) -> Slice:
        """Return one rank's part of a global batch: a contiguous piece, of the same length on every rank and in every step.

        Args:
            epoch: Epoch, from 0.
            step: Step inside the epoch.
            rank: 0 to world_size - 1.
            world_size: Number of ranks; must divide the batch size.
        """
        if self.batch_size % world_size:
            raise ValueError(f"batch_size {self.batch_size} cannot be shared evenly by {world_size} ranks")
        ids = self.batch(epoch, step)
        length = self.batch_size // world_size
        num_valid = min(max(len(ids) - rank * length, 0), length)
        padded = np.concatenate([ids, np.full(self.batch_size - len(ids), ids[-1], np.int64)])
        return Slice(ids=padded[rank * length : (rank + 1) * length], num_valid=num_valid)


@lru_cache(maxsize=4)
def _permutation(size: int, seed: int, epoch: int) -> Permutation:
    return Permutation(size, seed_of(seed, "order", epoch))
