"""A shuffle that reads shards in long pieces: shards in random order, samples in random order within a window of shards."""

import numpy as np
from numpy.typing import NDArray

from engine.pipeline.permutation import Permutation


class WindowShuffle:
    """A permutation of `range(sum(shard_sizes))`.

    The shards are permuted and dealt into windows of `window_shards`; the epoch is one window after the other, each permuted in itself.
    Memory: a few numbers per shard.
    """

    def __init__(self, shard_sizes: NDArray[np.int64], window_shards: int, seed: np.random.SeedSequence) -> None:
        """Arrange the shards.

        Args:
            shard_sizes: [shards] samples in each.
            window_shards: Shards in a window, at least 1; the last window may have fewer.
            seed: Decides the order of the shards and of the samples in each window.
        """
        if window_shards < 1:
            raise ValueError(f"window_shards is {window_shards}, expected at least 1")
        for_shards, self._for_windows = seed.spawn(2)
        shards = Permutation(len(shard_sizes), for_shards)(np.arange(len(shard_sizes), dtype=np.int64))
        self._window_shards = window_shards
        # Where each shard begins in the order of the ids, and, in turn, in the order of this epoch (its end last).
        self._first = (np.cumsum(shard_sizes) - shard_sizes)[shards]
        self._begins = np.concatenate([[0], np.cumsum(shard_sizes[shards])])
        self._window_begins = np.append(self._begins[:-1][::window_shards], self._begins[-1])

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what stands at the given positions of the epoch.

        Args:
            positions: [n] of 0 … size - 1, rising.

        Returns:
            [n] of 0 … size - 1; distinct positions give distinct results.
        """
        windows = np.searchsorted(self._window_begins, positions, side="right") - 1
        mixed = np.empty_like(positions)
        for window in np.unique(windows).tolist():
            begin, end = self._window_begins[window : window + 2].tolist()
            inside = windows == window
            mixed[inside] = begin + self._permutation(window, end - begin)(positions[inside] - begin)
        turns = np.searchsorted(self._begins, mixed, side="right") - 1
        return mixed - self._begins[turns] + self._first[turns]

    @property
    def num_windows(self) -> int:
        """Number of windows in the epoch."""
        return len(self._window_begins) - 1

    def window_at(self, position: int) -> int:
        """Return the window of a position of the epoch."""
        return int(np.searchsorted(self._window_begins, position, side="right")) - 1

    def first_of_shards(self, window: int) -> NDArray[np.int64]:
        """Return where each shard of a window begins in the order of the ids."""
        return self._first[window * self._window_shards : (window + 1) * self._window_shards]

    def _permutation(self, window: int, size: int) -> Permutation:
        # Derived from the window's number, so that any window can be had without those before it.
        key = self._for_windows.spawn_key
        return Permutation(size, np.random.SeedSequence(self._for_windows.entropy, spawn_key=(*key, window)))
