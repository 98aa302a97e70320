"""What is to be packed: annotations, images and splits brought together, checked against each other."""

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.annotations import Annotations
from shards.errors import DataError
from shards.labels.annotation_file import read_annotations, read_partition
from shards.packing.images import Images, match_images
from shards.packing.job import BadImage
from shards.packing.options import PackOptions
from shards.packing.plan import given_splits, key_of, keys_of, random_splits, shown
from shards.packing.quarantine import NO_IMAGE, NO_ROW
from shards.storage.folder import open_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """N samples with A attributes, in no particular order."""

    attributes: tuple[str, ...]
    """Attribute names."""
    files: NDArray[np.bytes_]
    """[N] image files."""
    keys: NDArray[np.bytes_]
    """[N]."""
    labels: NDArray[np.int8]
    """[N, A]."""
    splits: NDArray[np.uint8]
    """[N] split codes."""
    sizes: NDArray[np.int64]
    """[N] bytes of each image."""
    versions: NDArray[np.uint32]
    """[N]: changes when an image may have changed."""
    unmatched: tuple[BadImage, ...]
    """Rows without an image and images without a row; there are none unless bad images are quarantined."""

    def versions_digest(self, rows: NDArray[np.int64]) -> str:
        """Return a hash of the times of modification of these rows' images: while it is the same, nobody has touched them."""
        return hashlib.sha256(self.versions[rows].tobytes()).hexdigest()


def read_source(options: PackOptions, on_listed: Callable[[int], None]) -> Source:
    """Read what the options name.

    Args:
        options: What the user asked for.
        on_listed: Called now and then with the number of images found so far.

    Raises:
        DataError: An input is missing, damaged or inconsistent.
        ConfigurationError: A URL or a column cannot be used.
    """
    source = _read(options, on_listed)
    # glibc keeps what was freed, here the tables before they were sorted; the shards are packed without that.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    return source


def _read(options: PackOptions, on_listed: Callable[[int], None]) -> Source:
    with local_file(options.attributes) as path:
        annotations = read_annotations(path, key_column=options.key_column, columns=options.columns or (), name=options.attributes)
    splits = None
    if options.partition is not None:
        with local_file(options.partition) as path:
            splits = given_splits(annotations.files, read_partition(path, name=options.partition))
    images = match_images(open_folder(options.images), annotations.files, on_listed)
    if not images.num_listed:
        raise DataError(f"{options.images}: is not a folder of images (there are no files in it, or no such folder)")
    unmatched = tuple(_unmatched(options, annotations, images))
    found = images.files != b""
    if not found.any():
        raise DataError(f"{options.images}: holds none of the images that {options.attributes} names")
    keys = keys_of(images.files[found])
    return Source(
        attributes=annotations.attributes,
        files=_in_a_file(images.files[found]),
        keys=_in_a_file(keys),
        labels=_in_a_file(annotations.labels[found]),
        splits=random_splits(keys, options.seed) if splits is None else splits[found],
        sizes=_in_a_file(images.sizes[found]),
        versions=_in_a_file(images.versions[found]),
        unmatched=unmatched,
    )


def _in_a_file(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array memory-mapped from a nameless temporary file: while shards are packed, memory does not grow with their number."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(np.ascontiguousarray(array).data)
            file.flush()
            return np.memmap(file, array.dtype, "r", shape=array.shape)
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error


@contextmanager
def local_file(url: str) -> Iterator[Path]:
    """Give a file, on this machine or at a URL, as one of this machine for the length of the block."""
    folder, slash, name = url.rpartition("/")
    with open_folder(folder or slash or ".").fetch(name) as path:
        yield path


def absolute(url: str) -> str:
    """Return the path or URL as a process in another folder may use it."""
    return url if "://" in url else os.path.abspath(url)  # noqa: PTH100 (resolve would follow links)


def _unmatched(options: PackOptions, annotations: Annotations, images: Images) -> Iterator[BadImage]:
    missing = annotations.files[images.files == b""]
    if options.on_bad_image == "quarantine":
        yield from (_rejected(name, NO_IMAGE) for name in missing.tolist())
        yield from (_rejected(name, NO_ROW) for name in images.surplus.tolist())
        return
    hint = "; --on-bad-image quarantine packs what matches"
    if len(missing) == len(annotations.files):
        hint = _where_they_are(options, missing, images)
    if len(missing):
        raise DataError(
            f"{options.images}: lacks {len(missing)} of the {len(annotations.files)} images that the attribute file names, "
            f"first {shown(missing[0])}{hint}"
        )
    if len(images.surplus):
        raise DataError(
            f"{options.images}: holds {len(images.surplus)} images that the attribute file does not name, "
            f"first {shown(images.surplus[0])}{hint}"
        )


def _where_they_are(options: PackOptions, missing: NDArray[np.bytes_], images: Images) -> str:
    """Return a hint if all images are missing because the folder around theirs was named, as after unpacking an archive twice."""
    wanted = missing[0]
    for name in images.surplus.tolist():
        folder, slash, rest = name.rpartition(b"/" + wanted)
        if slash and not rest:
            return f"; try --images {options.images.rstrip('/')}/{folder.decode('utf-8', 'backslashreplace')}"
    return ""


def _rejected(file: bytes, reason: str) -> BadImage:
    return BadImage(key=key_of(file).decode("utf-8", "backslashreplace"), file=file.decode("utf-8", "backslashreplace"), reason=reason)
