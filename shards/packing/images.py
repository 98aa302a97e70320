"""Which file each row of the annotations means, how large it is, and what does not match."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.storage.folder import FileInfo, Folder

_CHUNK = 4096
_SUFFIXES = (b".jpg", b".jpeg", b".JPG", b".JPEG")


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """The image files of N rows."""

    files: NDArray[np.bytes_]
    """[N] names inside the folder; empty where a row's image is missing."""
    sizes: NDArray[np.int64]
    """[N] bytes."""
    versions: NDArray[np.uint32]
    """[N]: changes when the file may have changed."""
    num_listed: int
    """Files in the folder, whatever they are."""
    surplus: NDArray[np.bytes_]
    """JPEG files that no row means, sorted."""


class _Listing(NamedTuple):
    """All files of a folder, sorted by name."""

    names: NDArray[np.bytes_]
    sizes: NDArray[np.int64]
    versions: NDArray[np.uint32]


def match_images(folder: Folder, wanted: NDArray[np.bytes_], on_listed: Callable[[int], None]) -> Images:
    """List the folder and find the image of each row: the file of that name, or with `.jpg` or `.jpeg` behind it.

    Args:
        folder: The images.
        wanted: [N] file names or stems, as the annotations have them.
        on_listed: Called now and then with the number of files listed so far.

    Raises:
        DataError: The folder cannot be read.
    """
    listing = _list(folder, on_listed)
    at = _find(listing.names, wanted)
    for suffix in _SUFFIXES:
        missing = np.flatnonzero(at < 0)
        if not len(missing):
            break
        at[missing] = _find(listing.names, np.char.add(wanted[missing], suffix))
    found = at >= 0
    used = np.zeros(len(listing.names), bool)
    used[at[found]] = True
    rest = listing.names[~used]
    return Images(
        files=_where(found, listing.names, at, b""),
        sizes=_where(found, listing.sizes, at, 0),
        versions=_where(found, listing.versions, at, 0),
        num_listed=len(listing.names),
        surplus=np.array([name for name in rest if name.lower().endswith((b".jpg", b".jpeg"))], listing.names.dtype),
    )


def find_twice(names: NDArray[np.bytes_]) -> tuple[int, int] | None:
    """Return the positions of the first name that stands in the array twice, or None.

    >>> find_twice(np.array([b"b", b"a", b"b"]))
    (0, 2)
    """
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    return (int(order[twice[0]]), int(order[twice[0] + 1])) if len(twice) else None


def positions_in(names: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return where each wanted name stands among the names, in whatever order these are; -1 where it does not."""
    order = np.argsort(names, kind="stable")
    at = _find(names[order], wanted)
    return np.where(at >= 0, order[at], -1) if len(names) else at


def _list(folder: Folder, on_listed: Callable[[int], None]) -> _Listing:
    chunks: list[_Listing] = []
    pending: list[FileInfo] = []
    for info in folder.list():
        pending.append(info)
        if len(pending) == _CHUNK:
            chunks.append(_pack(pending))
            pending.clear()
            on_listed(len(chunks) * _CHUNK)
    chunks.append(_pack(pending))
    names, sizes, versions = (np.concatenate(column) for column in zip(*chunks, strict=True))
    order = np.argsort(names, kind="stable")
    return _Listing(names[order], sizes[order], versions[order])


def _pack(infos: Iterable[FileInfo]) -> _Listing:
    infos = list(infos)
    return _Listing(
        np.array([info.name.encode("utf-8", "surrogateescape") for info in infos], np.bytes_),
        np.array([info.size for info in infos], np.int64),
        np.array([zlib.crc32(info.version.encode()) for info in infos], np.uint32),
    )


def _find(ordered: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return each wanted name's position in the sorted names, -1 where it is not there."""
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)


def _where(found: NDArray[np.bool_], column: NDArray[Any], at: NDArray[np.int64], otherwise: object) -> NDArray[Any]:
    values = np.full(len(at), otherwise, column.dtype)
    values[found] = column[at[found]]
    return values
