"""From sample ids to encoded bytes: read from the shards, asked for ahead of time, and checked."""

import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from engine.pipeline.bad_samples import BadSamples
from shards.dataset import ShardDataset
from shards.errors import DataError

MAX_OPEN_SHARDS = 128
"""Shards kept open, the ones used last: three loaders stay well below the usual limit of 1,024 descriptors whatever the data set."""

_ADVISE_BYTES = 1 << 17
"""Linux reads no more than a disk's read-ahead for one request, and 128 KiB is the smallest default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """The JPEG bytes of some samples."""

    images: list[NDArray[np.uint8]]
    """One read-only vector per sample."""
    bad: list[int]
    """Places in `images` that hold a black image instead of a damaged sample."""


class ByteSource:
    """Reads samples' JPEG bytes.

    With `pread`, not through a mapping: a shard that is cut short, or a disk that fails, is then an error that can be named, where a
    mapping would end the process with SIGBUS. On one thread it is a tenth slower, with checksums.
    """

    def __init__(self, dataset: ShardDataset, *, check_crc: bool, bad_samples: BadSamples | None = None) -> None:
        """Open shards as they are needed.

        Args:
            dataset: The data set.
            check_crc: Compare every image's CRC-32 with the index: flipped bytes decode to wrong pixels without an error.
            bad_samples: Takes note of damaged samples; without it the first one raises.
        """
        self._dataset = dataset
        self._check_crc = check_crc
        self._bad_samples = bad_samples or BadSamples(dataset, budget=0)
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, ids: NDArray[np.int64]) -> Encoded:
        """Return each sample's JPEG bytes.

        Args:
            ids: [n] sample ids.

        Raises:
            DataError: A sample is damaged, or its shard cannot be read, and no more may be skipped; the message names shard and key.
        """
        rows = self._dataset.index[ids]
        columns = (rows[name].tolist() for name in ("shard", "offset", "size", "crc32"))
        images, bad = list[NDArray[np.uint8]](), list[int]()
        for place, (sample_id, shard, offset, size, checksum) in enumerate(zip(ids.tolist(), *columns, strict=True)):
            data = b"" if sample_id in self._bad_samples else self._read(sample_id, shard, offset, size, checksum)
            if not data:
                data = self._black(sample_id)
                bad.append(place)
            images.append(np.frombuffer(data, np.uint8))
        return Encoded(images=images, bad=bad)

    def advise(self, ids: NDArray[np.int64]) -> None:
        """Tell the kernel that these samples will be read soon, so that it fetches them from the disk meanwhile."""
        rows = self._dataset.index[ids]
        for shard, offset, size in zip(rows["shard"].tolist(), rows["offset"].tolist(), rows["size"].tolist(), strict=True):
            try:
                os.posix_fadvise(self._descriptor(shard), offset, size, os.POSIX_FADV_WILLNEED)
            except (OSError, DataError):
                # What cannot be read is told when it is its turn.
                continue

    def advise_shard(self, shard: int) -> None:
        """Tell the kernel that a shard will be read soon, from end to end."""
        for offset in range(0, self._dataset.manifest.shards[shard].bytes, _ADVISE_BYTES):
            try:
                os.posix_fadvise(self._descriptor(shard), offset, _ADVISE_BYTES, os.POSIX_FADV_WILLNEED)
            except (OSError, DataError):
                break

    def close(self) -> None:
        """Close the shards."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _read(self, sample_id: int, shard: int, offset: int, size: int, checksum: int) -> bytes:
        """Return the image's bytes; none if it is damaged and may be skipped."""
        try:
            data = os.pread(self._descriptor(shard), size, offset)
        except OSError as error:
            return self._bad_samples.add(sample_id, f"cannot be read ({error.strerror})", error)
        except DataError as error:
            return self._bad_samples.add(sample_id, str(error), error)
        if len(data) < size:
            return self._bad_samples.add(sample_id, "is cut off: the shard has become shorter")
        if self._check_crc and zlib.crc32(data) != checksum:
            return self._bad_samples.add(sample_id, "is damaged (its checksum differs from the index)")
        return data

    def _black(self, sample_id: int) -> bytes:
        row = self._dataset.index[sample_id]
        return simplejpeg.encode_jpeg(np.zeros((int(row["height"]), int(row["width"]), 3), np.uint8))

    def _descriptor(self, shard: int) -> int:
        descriptor = self._open.get(shard)
        if descriptor is not None:
            self._open.move_to_end(shard)
            return descriptor
        if len(self._open) >= MAX_OPEN_SHARDS:
            os.close(self._open.popitem(last=False)[1])
        self._open[shard] = descriptor = self._open_shard(shard)
        return descriptor

    def _open_shard(self, shard: int) -> int:
        path, wanted = self._dataset.shard_path(shard), self._dataset.manifest.shards[shard].bytes
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(f"its shard cannot be opened ({error.strerror})") from error
        found = os.fstat(descriptor).st_size
        if found != wanted:
            os.close(descriptor)
            raise DataError(f"its shard has {found} bytes, the manifest says {wanted}")
        return descriptor
