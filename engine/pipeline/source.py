"""From sample ids to encoded bytes: read from the shards, asked for ahead of time, and checked."""

import errno
import os
import resource
import weakref
import zlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from engine.pipeline.bad_samples import BadSamples
from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.image.header import MAX_PIXELS, MAX_SIDE

MAX_OPEN_SHARDS = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 5)
"""Shards that a source keeps open, the ones used last: a run has three sources, and other things to open."""

_ADVISE_BYTES = 1 << 17
"""Linux reads no more than a disk's read-ahead for one request, and 128 KiB is the smallest default."""

_OF_THE_PROCESS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBADF}
"""Errors that say nothing about the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """The JPEG bytes of some samples."""

    images: list[NDArray[np.uint8]]
    """One read-only vector per place."""
    bad: list[int]
    """Places that hold a black image instead of a damaged sample."""


class _DamageError(Exception):
    """A sample cannot be had; the message is what is wrong with it."""


class ByteSource:
    """Reads samples' JPEG bytes.

    With `pread`, not through a mapping: a shard that is cut short, or a disk that fails, is then an error that can be named, where a
    mapping would end the process with SIGBUS. On one thread it is a sixth slower, with checksums.
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
        # Also when nobody closes it: descriptors are plain numbers, which Python does not give back by itself.
        weakref.finalize(self, _close_all, self._open)

    def read(self, ids: NDArray[np.int64], num_valid: int | None = None) -> Encoded:
        """Return each sample's JPEG bytes.

        Args:
            ids: [n] sample ids.
            num_valid: How many of them are wanted; the places behind them get any image. Default: all.

        Raises:
            DataError: A sample is damaged, or its shard cannot be read, and no more may be skipped; the message names shard and key.
        """
        num_valid = len(ids) if num_valid is None else num_valid
        rows = self._dataset.index[ids[:num_valid]]
        columns = (rows[name].tolist() for name in ("shard", "offset", "size", "crc32"))
        images, bad = list[NDArray[np.uint8]](), list[int]()
        for place, (sample_id, *row) in enumerate(zip(ids[:num_valid].tolist(), *columns, strict=True)):
            is_bad, data = sample_id in self._bad_samples, b""
            try:
                data = b"" if is_bad else self._read(*row)
            except _DamageError as damage:
                self._bad_samples.add(sample_id, str(damage), damage)
                is_bad = True
            images.append(self._black(sample_id) if is_bad else np.frombuffer(data, np.uint8))
            if is_bad:
                bad.append(place)
        if num_valid < len(ids):
            padding = images[-1] if images else self._padding(int(ids[0]))
            images += [padding] * (len(ids) - num_valid)
        return Encoded(images=images, bad=bad)

    def advise(self, ids: NDArray[np.int64]) -> None:
        """Tell the kernel that these samples will be read soon, so that it fetches them from the disk meanwhile."""
        rows = self._dataset.index[ids]
        for shard, offset, size in zip(rows["shard"].tolist(), rows["offset"].tolist(), rows["size"].tolist(), strict=True):
            self._advise(shard, offset, size)

    def advise_shard(self, shard: int) -> None:
        """Tell the kernel that a shard will be read soon, from end to end."""
        for offset in range(0, self._dataset.manifest.shards[shard].bytes, _ADVISE_BYTES):
            self._advise(shard, offset, _ADVISE_BYTES)

    def close(self) -> None:
        """Close the shards."""
        _close_all(self._open)

    def _advise(self, shard: int, offset: int, size: int) -> None:
        try:
            os.posix_fadvise(self._descriptor(shard), offset, size, os.POSIX_FADV_WILLNEED)
        except (OSError, OverflowError, _DamageError):
            # What cannot be read is told when it is its turn.
            return

    def _read(self, shard: int, offset: int, size: int, checksum: int) -> bytes:
        try:
            descriptor = self._descriptor(shard)
            # Python makes room for as many bytes as the index says.
            if offset + size > self._dataset.manifest.shards[shard].bytes:
                raise _DamageError("is not in its shard: the index names bytes behind its end")
            data = os.pread(descriptor, size, offset)
        except OSError as error:
            if error.errno in _OF_THE_PROCESS:
                raise DataError(f"{self._dataset.shard_path(shard)}: cannot be read ({error.strerror})") from error
            raise _DamageError(f"cannot be read ({error.strerror})") from error
        if len(data) < size:
            raise _DamageError("is cut off: the shard has become shorter")
        if self._check_crc and zlib.crc32(data) != checksum:
            raise _DamageError("is damaged (its checksum differs from the index)")
        return data

    def _padding(self, sample_id: int) -> NDArray[np.uint8]:
        """Return a sample that another rank has; if it is damaged, that rank will tell."""
        row = self._dataset.index[sample_id]
        try:
            return np.frombuffer(self._read(*(int(row[name]) for name in ("shard", "offset", "size", "crc32"))), np.uint8)
        except _DamageError:
            return self._black(sample_id)

    def _black(self, sample_id: int) -> NDArray[np.uint8]:
        row = self._dataset.index[sample_id]
        width, height = int(row["width"]), int(row["height"])
        if not 0 < width * height <= MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise DataError(
                f"{self._dataset.folder / 'index.npy'}: says that {self._dataset.key(sample_id)} has {width}x{height} pixels; restore it, "
                "or run tools/check_shards --rebuild-index"
            )
        jpeg = simplejpeg.encode_jpeg(np.zeros((height, width, 3), np.uint8))
        return np.frombuffer(jpeg, np.uint8)

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
        try:
            descriptor = os.open(self._dataset.shard_path(shard), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _OF_THE_PROCESS:
                raise
            raise _DamageError(f"cannot be read: its shard cannot be opened ({error.strerror})") from error
        found, wanted = os.fstat(descriptor).st_size, self._dataset.manifest.shards[shard].bytes
        if found != wanted:
            os.close(descriptor)
            raise _DamageError(f"cannot be read: its shard has {found} bytes, the manifest says {wanted}")
        return descriptor


def _close_all(descriptors: OrderedDict[int, int]) -> None:
    while descriptors:
        os.close(descriptors.popitem()[1])
