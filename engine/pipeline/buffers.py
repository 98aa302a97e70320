"""Memory for batches that is used again.

A batch of 128 images of 224 pixels is 77 MB. The C library gives such a piece back to the system when it is freed, and the system clears
every page of the next one: a fifth of the loader's time on a CPU.
"""

import weakref

import numpy as np
import torch
from numpy.typing import NDArray

_MOST_FREE = 4
"""Pieces that are kept for later: whoever held many batches at once will rarely do so again."""


class Buffers:
    """Tensors of one shape and type; the memory of one that nobody holds any more is handed out again."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Begin with no memory.

        Args:
            shape: Of the tensors.
            dtype: Theirs.
        """
        self._shape = shape
        self._dtype = dtype
        self._num_bytes = int(np.prod(shape)) * dtype.itemsize
        self._free: list[NDArray[np.uint8]] = []

    def take(self) -> torch.Tensor:
        """Return a tensor with whatever values; views of it keep its memory from being used again."""
        memory = self._free.pop() if self._free else np.empty(self._num_bytes, np.uint8)
        # torch holds the view until the storage is freed, whoever held it last.
        view = memory[:]
        weakref.finalize(view, self._give_back, memory)
        return torch.from_numpy(view).view(self._dtype).view(self._shape)

    def _give_back(self, memory: NDArray[np.uint8]) -> None:
        if len(self._free) < _MOST_FREE:
            self._free.append(memory)
