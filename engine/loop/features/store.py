"""The features of one tap on the disk: one row per sample of the data set, in blocks that are either whole or not there."""

import json
import os
import warnings
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shards.errors import ConfigurationError, DataError
from shards.files import atomic_write

BLOCK = 256
"""Samples in a block: what a killed run computes again, at most, on each rank."""

_ENTRY = np.dtype([("values", "<u4"), ("bad", "<u4"), ("seal", "<u4")])
"""CRC-32 of a block's rows, of its `bad-….json` (0 without one), and of these two; all 0 while the block is missing."""
_VALUES, _BLOCKS, _KEY = "features.bin", "blocks.bin", "key.json"


class BadSample(NamedTuple):
    """A sample without features."""

    reason: str
    """What is wrong with it."""
    shard: str
    """State of its shard when it was read: who restores the shard changes it."""


class FeatureStore:
    """A folder of `features.bin` (rows by sample id), `blocks.bin` (an entry per block), `key.json`, and `bad-….json` where images are bad.

    A block's entry is written when its rows are on the disk: whatever kills a process, no block is taken for whole that is not.
    Several processes may write different blocks at the same time. A folder that cannot be written serves those who only read.
    """

    def __init__(self, folder: Path, key: Mapping[str, str], *, num_samples: int, width: int, dtype: torch.dtype) -> None:
        """Open the folder, or make it.

        Args:
            folder: Its place, named after the key.
            key: What decides the features, name -> value in words.
            num_samples: Samples of the data set.
            width: Length of a row.
            dtype: Type of the values.

        Raises:
            ConfigurationError: It cannot be made.
            DataError: It holds other features, or files of another size.
        """
        self.folder = folder
        self.num_samples, self.width, self.dtype = num_samples, width, dtype
        self.num_blocks = -(-num_samples // BLOCK)
        self._row_bytes = width * dtype.itemsize
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._check_key(dict(key))
            self._make(_VALUES, num_samples * self._row_bytes)
            self._make(_BLOCKS, self.num_blocks * _ENTRY.itemsize)
        except OSError as error:
            raise ConfigurationError(f"features.dir: {folder} cannot be made ({error.strerror}); name another folder") from error

    def blocks_of(self, ids: Iterable[NDArray[np.int64] | range]) -> NDArray[np.int64]:
        """Return the blocks that hold these samples, rising."""
        wanted = np.zeros(self.num_blocks, np.bool_)
        for some in ids:
            wanted[np.asarray(some, np.int64) // BLOCK] = True
        return np.flatnonzero(wanted)

    def missing(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the blocks that are not finished."""
        return blocks[self._entries()["seal"][blocks] == 0]

    def ids_of(self, block: int) -> range:
        """Return the samples of a block."""
        return range(block * BLOCK, min((block + 1) * BLOCK, self.num_samples))

    def write(self, block: int, values: Tensor, bad: Mapping[int, BadSample]) -> None:
        """Write a block that is missing, and say so once it is on the disk.

        Args:
            block: Its number.
            values: [samples of the block, width] on the CPU, of the store's type.
            bad: Those of its samples that are damaged; their rows mean nothing.

        Raises:
            DataError: The disk refuses.
        """
        data = values.contiguous().view(torch.uint8).numpy().reshape(-1).data
        text = json.dumps(bad).encode() if bad else b""
        try:
            self._write_bad(block, text)
            _write_at(self.folder / _VALUES, block * BLOCK * self._row_bytes, data)
            self._write_entry(block, _entry(zlib.crc32(data), zlib.crc32(text)))
        except OSError as error:
            raise DataError(
                f"{self.folder}: features cannot be written ({error.strerror}); what is finished stays, and the same command goes on"
            ) from error

    def forget(self, blocks: Iterable[int]) -> None:
        """Make blocks missing again.

        Raises:
            DataError: The folder cannot be written.
        """
        try:
            for block in blocks:
                self._write_entry(block, np.zeros((), _ENTRY))
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written ({error.strerror})") from error

    def check(self, blocks: NDArray[np.int64]) -> None:
        """Read blocks and compare them with their checksums.

        Raises:
            DataError: One is damaged, or missing.
        """
        entries = self._entries()
        with (self.folder / _VALUES).open("rb") as file:
            for block in blocks.tolist():
                size = len(self.ids_of(block)) * self._row_bytes
                data = os.pread(file.fileno(), size, block * BLOCK * self._row_bytes)
                if entries[block] != _entry(zlib.crc32(data), int(entries["bad"][block])):
                    raise self._damaged(_VALUES, f"block {block} and its checksum in {_BLOCKS} differ")

    def bad(self, blocks: NDArray[np.int64]) -> dict[int, BadSample]:
        """Return the damaged samples among the finished ones of these blocks.

        Raises:
            DataError: What tells of them is damaged.
        """
        entries, found = self._entries(), dict[int, BadSample]()
        for block in blocks[(entries["seal"][blocks] != 0) & (entries["bad"][blocks] != 0)].tolist():
            path = self._bad_path(block)
            text = path.read_bytes() if path.exists() else b""
            if zlib.crc32(text) != entries["bad"][block]:
                raise self._damaged(path.name, f"it and its checksum in {_BLOCKS} differ")
            try:
                told = {int(sample): BadSample(*told) for sample, told in json.loads(text).items()}
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise self._damaged(path.name, f"it does not tell of samples: {error}") from error
            if not all(isinstance(word, str) for sample in told.values() for word in sample) or not told.keys() <= set(self.ids_of(block)):
                raise self._damaged(path.name, "it tells of other things than its block's samples")
            found |= told
        return found

    def values(self) -> Tensor:
        """Return [num_samples, width], memory-mapped to be read; rows of blocks that are not finished are zeros or worse."""
        # Not torch.from_file: its mapping may be written to, and Linux grants no more of that than there is memory.
        mapped = np.memmap(self.folder / _VALUES, np.uint8, mode="r", shape=(self.num_samples * self._row_bytes,))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
            return torch.from_numpy(mapped).view(self.dtype).view(self.num_samples, self.width)

    def num_bytes(self, blocks: NDArray[np.int64]) -> int:
        """Return what blocks take on the disk."""
        return sum(len(self.ids_of(block)) for block in blocks.tolist()) * self._row_bytes

    def _entries(self) -> NDArray[Any]:
        return np.fromfile(self.folder / _BLOCKS, _ENTRY, self.num_blocks)

    def _write_entry(self, block: int, entry: NDArray[Any]) -> None:
        _write_at(self.folder / _BLOCKS, block * _ENTRY.itemsize, entry.tobytes())

    def _bad_path(self, block: int) -> Path:
        return self.folder / f"bad-{block:08d}.json"

    def _write_bad(self, block: int, text: bytes) -> None:
        path = self._bad_path(block)
        if text:
            with atomic_write(path) as file:
                file.write(text)
        else:
            path.unlink(missing_ok=True)

    def _check_key(self, key: dict[str, str]) -> None:
        path = self.folder / _KEY
        if not path.exists():
            with atomic_write(path) as file:
                file.write((json.dumps(key, indent=1) + "\n").encode())
        try:
            known = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise self._damaged(_KEY, f"it is not JSON: {error}") from error
        if known != key:
            raise self._damaged(_KEY, "it tells of other features than its folder's name")

    def _make(self, name: str, size: int) -> None:
        path = self.folder / name
        found = path.stat().st_size if path.exists() else 0
        if not found:
            with path.open("ab") as file:
                # Nothing but holes: pages without features take no space.
                file.truncate(size)
        elif found != size:
            raise self._damaged(name, f"it has {found} bytes instead of {size}")

    def _damaged(self, name: str, what: str) -> DataError:
        return DataError(f"{self.folder / name}: is damaged ({what}); delete {self.folder}, and the features are computed again")


def _entry(values: int, bad: int) -> NDArray[Any]:
    return np.array((values, bad, zlib.crc32(np.array([values, bad], "<u4").tobytes())), _ENTRY)


def _write_at(path: Path, offset: int, data: bytes | memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
