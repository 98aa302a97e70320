"""The bytes of a shard, equal for equal samples: a USTAR file of adjacent `KEY.jpg` (or `KEY.png`) and `KEY.npy`, and DALI's index of it.

The tar is the one that webdataset's `TarWriter` writes for the same samples, byte for byte, in a sixth of the time: a header differs from
the next in name, size and checksum only, so the rest is made once.
"""

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import IO

import numpy as np
from numpy.typing import NDArray

from shards.image.header import ImageHeader, Suffix

BLOCK = 512
"""Tar's unit: a header is one block, data is padded to whole blocks."""

RECORD = 20 * BLOCK
"""A tar file is padded to whole records; its end are at least two empty blocks."""

INDEX_DTYPE = np.dtype(
    [("shard", "<u4"), ("offset", "<u8"), ("size", "<u4"), ("crc32", "<u4"), ("width", "<u2"), ("height", "<u2"), ("split", "u1")]
)
"""A row of `index.npy`: the shard's number, the image's offset and size in bytes, its CRC-32, width and height in pixels, split code."""

_ROW = struct.Struct("<IQIIHHB")
"""The same, for a row at a time."""

_FLUSH = 1 << 18
"""Bytes that are gathered before they are hashed and written."""

_SIZE_AT, _CHECKSUM_AT = 124, 148


def member_header(name: bytes, size: int) -> bytes:
    """Return the 512 bytes before a member's data.

    Args:
        name: At most 100 ASCII bytes.
        size: Bytes of data, below 8 GiB.
    """
    digits = b"%011o" % size
    checksum = b"%06o\0 " % (_TEMPLATE_SUM + sum(name) + sum(digits))
    return b"".join(
        (
            name,
            _TEMPLATE[len(name) : _SIZE_AT],
            digits,
            _TEMPLATE[_SIZE_AT + 11 : _CHECKSUM_AT],
            checksum,
            _TEMPLATE[_CHECKSUM_AT + 8 :],
        )
    )


def label_bytes(labels: NDArray[np.int8]) -> bytes:
    """Return a label vector as the content of an `.npy` file."""
    return _label_header(len(labels)) + labels.tobytes()


def padded(size: int) -> int:
    """Return the bytes that data of this size takes in a tar.

    >>> [padded(size) for size in (0, 1, 512, 513)]
    [0, 512, 512, 1024]
    """
    return -(-size // BLOCK) * BLOCK


def dali_line(key: str, suffix: Suffix, image_at: int, image_size: int, labels_at: int, labels_size: int) -> str:
    """Return a sample's line in DALI's index of version 1.2; the offsets are those of the data."""
    return f"{suffix} {image_at} {image_size} {key}.{suffix} npy {labels_at} {labels_size} {key}.npy\n"


def dali_index(lines: Sequence[str]) -> bytes:
    """Return the content of an `.idx` file."""
    return "".join([f"v1.2 {len(lines)}\n", *lines]).encode("ascii")


class ShardFile:
    """A shard being written."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begin at the start of a file opened for writing."""
        self.size = 0
        self.pngs = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._file = file
        self._parts: list[bytes] = []
        self._num_pending = 0
        self._rows = bytearray()
        self._index_lines: list[str] = []

    def add(self, key: str, image: bytes, labels: bytes, header: ImageHeader) -> None:
        """Append a sample.

        Args:
            key: Name of both members, without a suffix.
            image: The image file's bytes.
            labels: What `label_bytes` returned.
            header: What the image says of itself.
        """
        image_at = self.size + BLOCK
        labels_at = image_at + padded(len(image)) + BLOCK
        self._write(
            member_header(f"{key}.{header.suffix}".encode("ascii"), len(image)),
            image,
            bytes(-len(image) % BLOCK),
            member_header(f"{key}.npy".encode("ascii"), len(labels)),
            labels,
            bytes(-len(labels) % BLOCK),
        )
        self._rows += _ROW.pack(0, image_at, len(image), zlib.crc32(image), header.width, header.height, 0)
        self.pngs += header.suffix == "png"
        self._index_lines.append(dali_line(key, header.suffix, image_at, len(image), labels_at, len(labels)))

    def finish(self) -> None:
        """Write the end of the tar."""
        self._write(bytes(2 * BLOCK + -(self.size + 2 * BLOCK) % RECORD))
        self._flush()

    def rows(self) -> NDArray[np.void]:
        """Return [samples] of INDEX_DTYPE; `shard` and `split` are left 0."""
        return np.frombuffer(bytes(self._rows), INDEX_DTYPE)

    def dali_index(self) -> bytes:
        """Return the content of the `.idx` file, DALI's index of version 1.2."""
        return dali_index(self._index_lines)

    def _write(self, *parts: bytes) -> None:
        self._parts += parts
        length = sum(map(len, parts))
        self.size += length
        self._num_pending += length
        if self._num_pending >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        self._num_pending = 0
        self.sha256.update(data)
        self.md5.update(data)
        self._file.write(data)


@lru_cache(maxsize=8)
def _label_header(num_attributes: int) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.empty(num_attributes, np.int8), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()[: -num_attributes or None]


def _template() -> bytes:
    """A header with an empty name, read-only for all, of nobody, from 1970: what could differ between machines is left out."""
    info = tarfile.TarInfo()
    info.mode = 0o444
    return info.tobuf(tarfile.USTAR_FORMAT)


_TEMPLATE = _template()
_TEMPLATE_SUM = sum(_TEMPLATE[:_SIZE_AT]) + sum(_TEMPLATE[_SIZE_AT + 11 : _CHECKSUM_AT]) + 8 * ord(" ") + sum(_TEMPLATE[_CHECKSUM_AT + 8 :])
