"""A keyed permutation of 0 … n - 1, evaluated where it is needed and never stored.

A balanced Feistel network permutes the 4^b numbers of 2·b bits, the fewest that hold n; a result outside the range is permuted
again until it falls inside ("cycle walking", at most 4 rounds on average). Black and Rogaway, "Ciphers with arbitrary finite
domains", CT-RSA 2002. The round function is the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014). This shuffles; it
does not keep secrets.
"""

import numpy as np
from numpy.typing import NDArray

NUM_ROUNDS = 8
"""Four are the theoretical minimum for a permutation that looks random; twice that costs little and helps domains of a few bits."""

_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Permutation:
    """A permutation of `range(size)` given by a seed: any slice costs its own length in time and memory."""

    def __init__(self, size: int, seed: np.random.SeedSequence) -> None:
        """Derive the round keys.

        Args:
            size: Number of elements, 1 to 2^62.
            seed: Decides the permutation.
        """
        if not 1 <= size <= 2**62:
            raise ValueError(f"size is {size}, expected 1 to 2^62")
        self.size = size
        half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._shift = np.uint64(half_bits)
        self._mask = np.uint64((1 << half_bits) - 1)
        self._keys = seed.generate_state(NUM_ROUNDS, np.uint64)

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what stands at the given positions.

        Args:
            positions: [n] of 0 … size - 1.

        Returns:
            [n] of 0 … size - 1; distinct positions give distinct results.
        """
        values = self._encrypt(positions.astype(np.uint64))
        outside = np.flatnonzero(values >= self.size)
        while len(outside):
            values[outside] = self._encrypt(values[outside])
            outside = outside[values[outside] >= self.size]
        return values.astype(np.int64)

    def _encrypt(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = values >> self._shift, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right + key) & self._mask)
        return (left << self._shift) | right


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIERS[0]
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIERS[1]
    return values ^ (values >> np.uint64(31))
