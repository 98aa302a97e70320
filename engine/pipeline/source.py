"""From sample ids to encoded bytes: memory-mapped shards, read ahead and checked."""

import mmap
import zlib

import numpy as np
from numpy.typing import NDArray

from shards.dataset import ShardDataset
from shards.errors import DataError


class ByteSource:
    """Hands out the JPEG bytes of samples as views into the mapped shards, without a copy."""

    def __init__(self, dataset: ShardDataset, *, check_crc: bool) -> None:
        """Map shards as they are needed.

        Args:
            dataset: The data set.
            check_crc: Compare every image's CRC-32 with the index: flipped bytes decode to wrong pixels without an error.
        """
        self._dataset = dataset
        self._check_crc = check_crc
        self._maps: dict[int, mmap.mmap] = {}
        self._views: dict[int, NDArray[np.uint8]] = {}

    def read(self, ids: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Return each sample's JPEG bytes.

        Args:
            ids: [n] sample ids.

        Returns:
            n read-only uint8 vectors.

        Raises:
            DataError: A shard cannot be read, or a checksum differs; the message names shard and key.
        """
        rows = self._dataset.index[ids]
        shards, offsets, sizes, checksums = (rows[name].tolist() for name in ("shard", "offset", "size", "crc32"))
        images = [self._view(shard)[offset : offset + size] for shard, offset, size in zip(shards, offsets, sizes, strict=True)]
        if self._check_crc:
            for sample_id, image, checksum in zip(ids.tolist(), images, checksums, strict=True):
                if zlib.crc32(image.data) != checksum:
                    raise self._damage(sample_id)
        return images

    def advise(self, ids: NDArray[np.int64]) -> None:
        """Tell the kernel that these samples will be read soon, so that it fetches them from the disk meanwhile."""
        rows = self._dataset.index[ids]
        for shard, offset, size in zip(rows["shard"].tolist(), rows["offset"].tolist(), rows["size"].tolist(), strict=True):
            self._view(shard)
            start = offset - offset % mmap.PAGESIZE
            self._maps[shard].madvise(mmap.MADV_WILLNEED, start, offset + size - start)

    def close(self) -> None:
        """Let the shards go. A mapping ends when nobody holds a view into it any more."""
        self._views.clear()
        self._maps.clear()

    def _damage(self, sample_id: int) -> DataError:
        path, key = self._dataset.shard_path(int(self._dataset.index[sample_id]["shard"])), self._dataset.key(sample_id)
        return DataError(f"{path}: image {key!r} is damaged (its checksum differs from the index); restore the shard or pack again")

    def _view(self, shard: int) -> NDArray[np.uint8]:
        view = self._views.get(shard)
        if view is None:
            view = self._views[shard] = self._map(shard)
        return view

    def _map(self, shard: int) -> NDArray[np.uint8]:
        path = self._dataset.shard_path(shard)
        try:
            with path.open("rb") as file:
                self._maps[shard] = mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            return np.frombuffer(mapping, np.uint8)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be mapped ({error}); restore the shard") from error
