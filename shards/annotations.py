"""Attribute labels and split assignments of a set of images, whatever file they came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
"""Split names; a split's code in files and arrays is its position here."""

NOT_LABELLED = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """Labels of N images and A attributes, in the order of the file they were read from.

    Ten million rows must fit, so names are one array of fixed width, not a list of strings.
    """

    attributes: tuple[str, ...]
    """Attribute names, in column order."""
    files: NDArray[np.bytes_]
    """[N] image files in UTF-8, relative to the folder of images with `/` between the parts, one per row, each once."""
    labels: NDArray[np.int8]
    """[N, A]: 1, 0 or -1 (not labelled)."""
    splits: NDArray[np.bytes_] | None = None
    """[N] cells of the column that holds the split, if one was asked for."""
    groups: NDArray[np.bytes_] | None = None
    """[N] cells of the column of what must not be in two splits, if one was asked for."""
    key_column: str = ""
    """Name of the column of images; empty if it has none."""
    cells: tuple[tuple[str, ...], ...] = ()
    """Per attribute what its first cells hold, each once."""
    notes: tuple[str, ...] = ()
    """What was guessed when the file was read, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """Which split each image belongs to."""

    files: NDArray[np.bytes_]
    """[N] image files in UTF-8, each once."""
    codes: NDArray[np.uint8]
    """[N] split codes."""
    notes: tuple[str, ...] = ()
    """What was guessed, and what looks odd, in words."""
