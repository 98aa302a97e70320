"""One shard: a USTAR file of adjacent `KEY.jpg` and `KEY.npy` members, byte-equal for equal samples, with DALI's index beside it."""

import io
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from webdataset import TarWriter

from shards.errors import DataError
from shards.files import HashingFile, atomic_write
from shards.jpeg import check_jpeg

BLOCK = 512
"""Tar's unit: a header is one block, data is padded to whole blocks."""

INDEX_DTYPE = np.dtype(
    [("shard", "<u4"), ("offset", "<u8"), ("size", "<u4"), ("crc32", "<u4"), ("width", "<u2"), ("height", "<u2"), ("split", "u1")]
)
"""A row of `index.npy`: the shard's number, the image's offset and size in bytes, its CRC-32, width and height in pixels, split code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One sample to be packed."""

    key: str
    """Name inside the shard, without a suffix."""
    image: Path
    """JPEG file; its bytes go into the shard unchanged."""
    labels: NDArray[np.int8]
    """[A]: 1, 0 or -1 (not labelled)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedShard:
    """What came of packing one shard."""

    num_bytes: int
    sha256: str
    md5: str
    rows: NDArray[np.void]
    """[samples] of INDEX_DTYPE; `shard` and `split` are left 0 for the caller to fill in."""


def write_shard(path: Path, samples: Sequence[Sample]) -> PackedShard:
    """Write `path` (a `.tar`) and the DALI index beside it (`.idx`), each atomically.

    Raises:
        DataError: An image is missing or cannot be decoded, or the disk refuses; no file is left under a final name.
    """
    rows = np.zeros(len(samples), INDEX_DTYPE)
    index_lines = [f"v1.2 {len(samples)}"]
    with atomic_write(path) as file:
        hashed = HashingFile(file)
        # mtime, names and mode are fixed so that equal samples give equal bytes; the names are empty because they would be this machine's.
        # The cast: tarfile only calls write.
        with TarWriter(cast("BinaryIO", hashed), user="", group="", mtime=0) as tar:
            # webdataset 1.0 takes a format and forgets to pass it on: tarfile's default, PAX, would put extra headers before long names.
            tar.tarstream.format = tarfile.USTAR_FORMAT
            for row, sample in zip(rows, samples, strict=True):
                image, labels = _read_image(sample), _npy_bytes(sample.labels)
                row["width"], row["height"] = check_jpeg(image, name=str(sample.image))
                image_at = tar.tarstream.offset + BLOCK
                labels_at = image_at + _padded(len(image)) + BLOCK
                tar.write({"__key__": sample.key, "jpg": image, "npy": labels})
                row["offset"], row["size"], row["crc32"] = image_at, len(image), zlib.crc32(image)
                index_lines.append(
                    f"jpg {image_at} {len(image)} {sample.key}.jpg npy {labels_at} {len(labels)} {sample.key}.npy",
                )
    with atomic_write(path.with_suffix(".idx")) as file:
        file.write(("\n".join(index_lines) + "\n").encode("ascii"))
    return PackedShard(num_bytes=hashed.size, sha256=hashed.sha256.hexdigest(), md5=hashed.md5.hexdigest(), rows=rows)


def _read_image(sample: Sample) -> bytes:
    try:
        return sample.image.read_bytes()
    except OSError as error:
        raise DataError(f"{sample.image}: cannot be read ({error.strerror})") from error


def _npy_bytes(array: NDArray[np.int8]) -> bytes:
    buffer: IO[bytes] = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    buffer.seek(0)
    return buffer.read()


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
