"""What a shard holds, told by the tar alone."""

import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.annotations import NOT_LABELLED
from shards.check.problems import MAX_SHOWN
from shards.check.tar_samples import Sample, pair
from shards.check.tar_walk import Defect, Member, Tar, walk
from shards.errors import DataError
from shards.image.check import check_image, read_header
from shards.image.header import MAX_BYTES, BadImageError
from shards.packing.job import Advance
from shards.tar import INDEX_DTYPE, dali_index, dali_line, label_bytes

_TELL_EVERY = 256
_MAX_ATTRIBUTES = 1 << 16
"""Longest label vector for which a wrong length is told apart from other damage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """The n samples of a shard that are as they should be, and what is not."""

    keys: NDArray[np.bytes_]
    """[n]."""
    rows: NDArray[np.void]
    """[n] of INDEX_DTYPE; `shard` and `split` are left 0."""
    labels: NDArray[np.int8]
    """[n, A]."""
    dali_index: bytes
    """What the `.idx` file should be."""
    num_pngs: int
    """Samples whose image is a PNG."""
    defects: tuple[Defect, ...]
    """The first defects, some tens."""
    num_defects: int
    """How many there are."""


@contextmanager
def open_tar(path: Path) -> Iterator[Tar]:
    """Map a tar for the length of the block.

    Raises:
        DataError: It cannot be opened.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            tar = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        yield tar
    finally:
        if isinstance(tar, mmap.mmap):
            tar.close()


def read_contents(tar: Tar, num_attributes: int, *, decode: bool, advance: Advance) -> Contents:
    """Read all samples of a tar.

    Args:
        tar: Its bytes.
        num_attributes: Length of the label vectors.
        decode: Decode every image; else its header alone is read.
        advance: Told of the progress.
    """
    reader = _Reader(tar, num_attributes, decode=decode)
    told = 0
    for found in pair(walk(tar)):
        defect = found if isinstance(found, Defect) else reader.read(found)
        if defect:
            reader.add_defect(defect)
        if len(reader.rows) - told == _TELL_EVERY:
            advance(*reader.amounts(told))
            told = len(reader.rows)
    advance(*reader.amounts(told))
    return reader.contents()


class _Reader:
    def __init__(self, tar: Tar, num_attributes: int, *, decode: bool) -> None:
        self._tar = tar
        self._decode = decode
        self._num_attributes = num_attributes
        vector = label_bytes(np.zeros(num_attributes, np.int8))
        self._label_size = len(vector)
        self._label_head = vector[: len(vector) - num_attributes]
        self._keys: list[str] = []
        self._labels: list[bytes] = []
        self._lines: list[str] = []
        self.rows: list[tuple[int, ...]] = []
        self._defects: list[Defect] = []
        self._num_defects = 0
        self._num_pngs = 0

    def add_defect(self, defect: Defect) -> None:
        self._num_defects += 1
        if len(self._defects) < MAX_SHOWN:
            self._defects.append(defect)

    def read(self, sample: Sample) -> Defect | None:
        """Take a sample, or return what is wrong with its content."""
        key, image, labels = sample
        if image.size > MAX_BYTES:
            return Defect(image.data_at, f"its image has {image.size} bytes, more than {MAX_BYTES}", key)
        vector = self._tar[labels.data_at : labels.data_at + self._label_size]
        if labels.size != self._label_size or not vector.startswith(self._label_head):
            return Defect(labels.data_at, self._what_is_wrong_with_label(labels), key)
        data = self._tar[image.data_at : image.data_at + image.size]
        try:
            header = check_image(data, decode=True) if self._decode else read_header(data)
        except BadImageError as error:
            return Defect(image.data_at, f"its image {error}", key)
        if header.suffix != image.suffix:
            return Defect(image.data_at, f"its image is called .{image.suffix}, but is a {header.suffix.upper()}", key)
        self._keys.append(key)
        self._labels.append(vector[len(self._label_head) :])
        self._num_pngs += header.suffix == "png"
        self._lines.append(dali_line(key, header.suffix, image.data_at, image.size, labels.data_at, labels.size))
        self.rows.append((0, image.data_at, image.size, zlib.crc32(data), header.width, header.height, 0))
        return None

    def amounts(self, start: int) -> tuple[int, int, int]:
        """Return the images and their bytes from row `start` on, as progress is told."""
        return len(self.rows) - start, sum(row[2] for row in self.rows[start:]), 0

    def _what_is_wrong_with_label(self, labels: Member) -> str:
        num_found = labels.size - len(self._label_head)
        if 0 < num_found <= _MAX_ATTRIBUTES and num_found != self._num_attributes:
            wanted = label_bytes(np.zeros(num_found, np.int8))[: len(self._label_head)]
            if self._tar[labels.data_at : labels.data_at + len(wanted)] == wanted:
                return f"its label vector has {num_found} entries, and there are {self._num_attributes} attributes"
        return f"its label is not the .npy file of a vector of {self._num_attributes} int8"

    def contents(self) -> Contents:
        labels = np.frombuffer(b"".join(self._labels), np.int8).reshape(len(self._labels), self._num_attributes)
        for row in np.flatnonzero(((labels < NOT_LABELLED) | (labels > 1)).any(1)).tolist():
            value = next(value for value in labels[row].tolist() if not NOT_LABELLED <= value <= 1)
            at = self.rows[row][1]
            self.add_defect(Defect(at, f"its label vector holds {value}, expected 1, 0 or -1 (not labelled)", self._keys[row]))
        return Contents(
            keys=np.array(self._keys or [""], np.bytes_)[: len(self._keys)],
            rows=np.array(self.rows, INDEX_DTYPE),
            labels=labels,
            dali_index=dali_index(self._lines),
            num_pngs=self._num_pngs,
            defects=tuple(self._defects),
            num_defects=self._num_defects,
        )
