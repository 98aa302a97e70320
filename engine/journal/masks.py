"""Which tasks each step trained, as bits: a run of 100,000 steps and 40 tasks takes a megabyte at most, usually a few kilobytes."""

import base64
import binascii
import zlib

import numpy as np
from numpy.typing import NDArray

from engine.journal.records import MaskRecord

Masks = NDArray[np.bool_]
"""[steps, T]."""


class MaskTally:
    """Collects the masks of one epoch's steps until they are recorded."""

    def __init__(self) -> None:
        """Begin with no step."""
        self._first_step = 0
        self._drawn: list[Masks] = []
        self._trained: list[Masks] = []

    def add(self, step: int, drawn: Masks, trained: Masks) -> None:
        """Add a step; all between two calls of `record` follow each other.

        Args:
            step: Step inside its epoch, from 0.
            drawn: [T] the scheduler's mask.
            trained: [T] those of them that had a label in the global batch.
        """
        if not self._drawn:
            self._first_step = step
        self._drawn.append(drawn)
        self._trained.append(trained)

    def record(self, epoch: int) -> MaskRecord | None:
        """Return the steps since the last call, None if there are none.

        Args:
            epoch: Their epoch, from 0.
        """
        if not self._drawn:
            return None
        drawn, trained = np.array(self._drawn), np.array(self._trained)
        self._drawn, self._trained = [], []
        return MaskRecord(epoch=epoch, first_step=self._first_step, num_steps=len(drawn), drawn=pack(drawn), trained=pack(trained))


def pack(masks: Masks) -> str:
    """Return masks as text: their bits row by row, compressed with zlib, in base 64."""
    return base64.b64encode(zlib.compress(np.packbits(masks).tobytes())).decode("ascii")


def unpack(text: str, num_steps: int, num_tasks: int) -> Masks:
    """Return [num_steps, num_tasks]: the masks that `pack` was given.

    Raises:
        ValueError: The text is damaged, or of another number of steps or tasks.

    >>> unpack(pack(np.array([[True, False, True]])), 1, 3).tolist()
    [[True, False, True]]
    """
    num_bits = num_steps * num_tasks
    num_bytes = -(-num_bits // 8)
    try:
        # One byte more than there should be is enough to see that there are too many.
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), num_bytes + 1)
    except (binascii.Error, zlib.error, TypeError) as error:
        raise ValueError(f"the masks are damaged ({error})") from error
    if len(data) != num_bytes:
        raise ValueError(f"the masks are not those of {num_steps} steps and {num_tasks} tasks")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=num_bits).astype(np.bool_).reshape(num_steps, num_tasks)
