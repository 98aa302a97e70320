"""What stands beside the shards: `index.npy`, `labels.npy`, `keys.npy`, `wids.json` and, last of all, `manifest.json`."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS
from shards.errors import DataError
from shards.files import probe, sha256_of
from shards.manifest import ARRAYS, MANIFEST, WIDS, FileEntry, Manifest, Resized, ShardEntry, dump_manifest, format_version
from shards.storage.folder import Folder
from shards.tar import INDEX_DTYPE
from shards.version import tool_version

_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardFacts:
    """What is known of a shard once it is written. Its split is the first part of its name."""

    name: str
    """`train-000000`, without a suffix."""
    samples: int
    """Samples in it."""
    bytes: int
    """Size of the tar."""
    sha256: str
    """Hash of the tar."""
    md5: str
    """The same as MD5, which `wids.json` wants."""
    index_sha256: str
    """Hash of the `.idx` file."""
    pngs: int = 0
    """Samples whose image is a PNG."""

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.name.partition("-")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrays:
    """The three arrays while they are being filled. They lie in files, so that their size is not the memory's."""

    folder: Path
    """Where those files are."""
    index: NDArray[np.void]
    """[N] of INDEX_DTYPE."""
    labels: NDArray[np.int8]
    """[N, A]."""
    keys: NDArray[np.bytes_]
    """[N]."""


@contextmanager
def new_arrays(out: Folder, num_samples: int, num_attributes: int, key_width: int) -> Iterator[Arrays]:
    """Make arrays to be filled, in a temporary folder that goes at the end of the block.

    Raises:
        DataError: The disk has no room for them.
    """
    with out.scratch() as folder:
        types = (INDEX_DTYPE, np.dtype(np.int8), np.dtype(f"S{key_width}"))
        shapes = ((num_samples,), (num_samples, num_attributes), (num_samples,))
        try:
            index, labels, keys = (
                _new_array(folder / name, dtype, shape) for name, dtype, shape in zip(ARRAYS, types, shapes, strict=True)
            )
        except OSError as error:
            raise DataError(f"{out.url}: cannot be written ({error.strerror}); the arrays need room twice") from error
        yield Arrays(folder=folder, index=index, labels=labels, keys=keys)


def publish(
    out: Folder,
    arrays: Arrays,
    shards: Sequence[ShardFacts],
    *,
    attributes: Sequence[str],
    seed: int | None,
    resized: Resized | None = None,
) -> Manifest:
    """Write the arrays, `wids.json` and the manifest into the folder of the shards; the manifest last.

    Args:
        out: Folder of the shards.
        arrays: The filled arrays, in the order of the shards; `shard` and `split` of the index are filled in here.
        shards: The shards in their order.
        attributes: Names of the label columns.
        seed: Seed of the packing, None if it is not known any more.
        resized: What was made of the images, None if they are as they were.

    Raises:
        DataError: A file cannot be written.
    """
    samples = [shard.samples for shard in shards]
    arrays.index["shard"] = np.repeat(np.arange(len(shards)), samples)
    arrays.index["split"] = np.repeat([SPLITS.index(shard.split) for shard in shards], samples)
    for array in (arrays.index, arrays.labels, arrays.keys):
        array.flush()  # type: ignore[attr-defined]
    digest = source_digest(attributes, arrays.keys, arrays.labels, arrays.index)
    try:
        (arrays.folder / WIDS).write_text(wids_json(shards, digest), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out.url}/{WIDS}: cannot be written ({error.strerror})") from error
    manifest = Manifest(
        format_version=format_version(has_png=any(shard.pngs for shard in shards), resized=resized),
        attributes=tuple(attributes),
        seed=seed,
        tool_version=tool_version(),
        source_digest=digest,
        shards=tuple(
            ShardEntry(
                name=f"{shard.name}.tar",
                split=shard.split,
                samples=shard.samples,
                bytes=shard.bytes,
                sha256=shard.sha256,
                index_sha256=shard.index_sha256,
            )
            for shard in shards
        ),
        resized=resized,
        files={file: _publish_file(out, arrays.folder / file) for file in (*ARRAYS, WIDS)},
    )
    out.settle()
    with out.create(MANIFEST) as file:
        file.write(dump_manifest(manifest).encode())
    out.settle()
    return manifest


def source_digest(attributes: Sequence[str], keys: NDArray[np.bytes_], labels: NDArray[np.int8], index: NDArray[np.void]) -> str:
    """Return a SHA-256 over attribute names, keys, labels, splits, checksums and sizes, in the order of the sorted keys."""
    order = np.argsort(keys, kind="stable")
    digest = hashlib.sha256("\n".join(attributes).encode())
    for column in (keys, labels, index["split"], index["crc32"], index["size"]):
        for start in range(0, len(order), _CHUNK):
            digest.update(column[order[start : start + _CHUNK]].tobytes())
    return digest.hexdigest()


def wids_json(shards: Sequence[ShardFacts], digest: str) -> str:
    """Return the content of `wids.json`, by which webdataset's indexed reader finds the shards.

    It wants a name, which must not be this machine's folder.
    """
    shardlist = [{"url": f"{s.name}.tar", "md5sum": s.md5, "nsamples": s.samples, "filesize": s.bytes} for s in shards]
    return json.dumps({"wids_version": 1, "name": f"dropstream-{digest[:16]}", "shardlist": shardlist}, indent=1) + "\n"


def _new_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape, version=(1, 0))
    # Where the disk is full, writing into a hole of a mapped file is no error but the end of the process (SIGBUS).
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _publish_file(out: Folder, path: Path) -> FileEntry:
    with out.create(path.name) as target, path.open("rb") as source:
        while chunk := source.read(1 << 20):
            target.write(chunk)
    return FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path), probe_sha256=probe(path))
