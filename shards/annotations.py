"""Attribute labels and split assignments of a set of images, whatever file they came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
"""Split names; a split's code in files and arrays is its position here."""

NOT_LABELLED = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """Labels of N images and A attributes, in the order of the file they were read from."""

    attributes: tuple[str, ...]
    """Attribute names, in column order."""
    files: tuple[str, ...]
    """Image file names, one per row, each once."""
    labels: NDArray[np.int8]
    """[N, A]: 1, 0 or -1 (not labelled)."""
