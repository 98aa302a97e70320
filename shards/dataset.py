"""A packed data set opened for reading: memory-mapped index, labels and keys, and the paths of the shards."""

import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS
from shards.errors import DataError
from shards.files import probe, sha256_of
from shards.manifest import ARRAYS, Manifest, load_manifest
from shards.tar import INDEX_DTYPE


class ShardDataset:
    """N samples with A attributes each. A sample's id is its row, 0 to N - 1; the ids of a split are one range.

    Attributes:
        folder: Where it lies.
        manifest: What it consists of.
        index: [N] of `INDEX_DTYPE`, memory-mapped.
        labels: [N, A] int8 of 1, 0, -1 (not labelled), memory-mapped.
        keys: [N] bytes, memory-mapped.
    """

    def __init__(self, folder: Path) -> None:
        """Open a data set and check that its files are there and of the right size.

        Args:
            folder: What `tools/make_shards` wrote.

        Raises:
            DataError: The folder is not a data set, or a file is missing or of another size than the manifest says.
        """
        self.folder = folder
        self.manifest: Manifest = load_manifest(folder)
        self.index: NDArray[np.void] = _map_array(folder / "index.npy")
        self.labels: NDArray[np.int8] = _map_array(folder / "labels.npy")
        self.keys: NDArray[np.bytes_] = _map_array(folder / "keys.npy")
        self._check_shapes()
        self._check_probes()
        self._check_shard_sizes()

    def __len__(self) -> int:
        """Return the number of samples of all splits."""
        return len(self.index)

    def __reduce__(self) -> tuple[type["ShardDataset"], tuple[Path]]:
        """Travel to another process as a path: the arrays are mapped there again."""
        return ShardDataset, (self.folder,)

    def verify_arrays(self) -> None:
        """Read index, labels and keys and compare them with the manifest's hashes.

        Raises:
            DataError: One is damaged.
        """
        for name in ARRAYS:
            if sha256_of(self.folder / name) != self.manifest.files[name].sha256:
                raise DataError(
                    f"{self.folder / name}: is damaged (its SHA-256 differs); restore it, or run tools/check_shards --rebuild-index"
                )

    def split_range(self, split: str) -> range:
        """Return the ids of a split."""
        # Rows are written split by split, so a split's ids are one range.
        start = sum(self.manifest.num_samples(name) for name in SPLITS[: SPLITS.index(split)])
        return range(start, start + self.manifest.num_samples(split))

    def key(self, sample_id: int) -> str:
        """Return a sample's key."""
        return self.keys[sample_id].decode("ascii", "backslashreplace")

    def shard_path(self, shard: int) -> Path:
        """Return the path of a shard by its number in the index.

        Raises:
            DataError: The index names a shard that there is not.
        """
        if shard >= len(self.manifest.shards):
            raise DataError(
                f"{self.folder / 'index.npy'}: names shard {shard}, the manifest has {len(self.manifest.shards)}; restore it, or run "
                "tools/check_shards --rebuild-index"
            )
        return self.folder / self.manifest.shards[shard].name

    def _check_shapes(self) -> None:
        num_samples = sum(shard.samples for shard in self.manifest.shards)
        wanted = {"index.npy": (num_samples,), "labels.npy": (num_samples, len(self.manifest.attributes)), "keys.npy": (num_samples,)}
        for name, array in (("index.npy", self.index), ("labels.npy", self.labels), ("keys.npy", self.keys)):
            if array.shape != wanted[name]:
                raise DataError(f"{self.folder / name}: has shape {array.shape}, the manifest says {wanted[name]}; pack the data set again")
        if self.labels.dtype != np.int8 or self.keys.dtype.kind != "S":
            name = "keys.npy" if self.labels.dtype == np.int8 else "labels.npy"
            raise DataError(f"{self.folder / name}: holds values of another type than this format; pack the data set again")
        if self.index.dtype != INDEX_DTYPE:
            raise DataError(f"{self.folder / 'index.npy'}: has other columns than this format; pack the data set again")

    def _check_probes(self) -> None:
        """Tell arrays of another packing from the manifest's own: they may have the same shape."""
        for name in ARRAYS:
            if probe(self.folder / name) != self.manifest.files[name].probe_sha256:
                raise DataError(
                    f"{self.folder / name}: is not the file that the manifest means (stale, foreign or damaged); restore it, or run "
                    "tools/check_shards --rebuild-index"
                )

    def _check_shard_sizes(self) -> None:
        for shard in self.manifest.shards:
            path = self.folder / shard.name
            try:
                size = path.stat().st_size
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror}); the manifest lists it") from error
            if size != shard.bytes:
                raise DataError(f"{path}: has {size} bytes, the manifest says {shard.bytes}; restore the shard or pack again")


def _map_array(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); pack the data set again") from error
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError, OverflowError, RecursionError, MemoryError) as error:
        # NumPy reads the head with Python's own parser, whose errors come through; of its numbers it makes a size.
        raise DataError(f"{path}: is not an array file ({error}); pack the data set again") from error
