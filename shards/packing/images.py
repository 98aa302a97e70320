"""Which file each row of the annotations means, how large it is, and what does not match.

A row means the file of its name; else the one whose name differs in the image suffix only (`.jpg`, `.JPG`, `.png`, none), or in case,
slashes and the form of accents; else, if it has no folder in it, the one of that name in any folder. Each of these only where one file
fits.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.packing.names import Spelling, bare, folded, is_bare, is_hidden, stem_of
from shards.storage.folder import FileInfo, Files

_CHUNK = 4096
_SUFFIXES = (b".jpg", b".jpeg", b".JPG", b".JPEG", b".png", b".PNG")
"""What is put behind a row's name, one after the other; those of PNGs only where it has no suffix: `a.jpg.png` may be a mask of `a.jpg`."""
_JPEG, _PNG = (b".jpg", b".jpeg"), (b".png",)
SPELLINGS: tuple[tuple[str, Spelling], ...] = (
    ("suffix", stem_of),
    ("case", folded),
    ("folder", bare),
)
"""What is taken out of a name, one after the other, where it means no file as it stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """The image files of N rows."""

    files: NDArray[np.bytes_]
    """[N] names inside the folder; empty where a row's image is missing."""
    sizes: NDArray[np.int64]
    """[N] bytes."""
    versions: NDArray[np.uint32]
    """[N]: changes when the file may have changed."""
    surplus: NDArray[np.bytes_]
    """JPEG files that no row means, and PNG files if a row means any, sorted, but for hidden ones."""
    num_hidden: int
    """Hidden files that no row means."""
    notes: tuple[str, ...]
    """Which rows were matched in spite of another spelling, in words."""


@dataclass(frozen=True, slots=True)
class _Respelt:
    """All files that are not hidden in another spelling, sorted by it."""

    names: NDArray[np.bytes_]
    places: NDArray[np.int64]
    """Of each in the listing."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a folder, sorted by name."""

    names: NDArray[np.bytes_]
    """[F]."""
    sizes: NDArray[np.int64]
    """[F] bytes."""
    versions: NDArray[np.uint32]
    """[F]: changes when a file may have changed."""
    _respelt: dict[str, _Respelt] = field(default_factory=dict)

    def find(self, wanted: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
        """Find the file that each name means.

        Args:
            wanted: [N] names as a table has them.

        Returns:
            [N] places in the listing, -1 where a name means none or several; and per kind of other spelling the rows found by it.
        """
        at = _find(self.names, wanted)
        by_spelling: dict[str, NDArray[np.int64]] = {}
        missing = without_suffix = np.flatnonzero(at < 0)
        for suffix in _SUFFIXES:
            if not len(missing):
                break
            asked = missing
            if suffix.lower() in _PNG:
                asked = missing[[stem_of(name) == name for name in wanted[missing].tolist()]]
            at[asked] = _find(self.names, np.char.add(wanted[asked], suffix))
            missing = missing[at[missing] < 0]
        if len(twins := self._twins(wanted, without_suffix[at[without_suffix] >= 0], at)):
            by_spelling["twin"] = twins
        for kind, spelling in SPELLINGS:
            asked = missing if spelling is not bare else missing[[is_bare(name) for name in wanted[missing].tolist()]]
            if not len(asked):
                continue
            at[asked] = self._find_respelt(kind, spelling, wanted[asked])
            if spelling is not stem_of:
                # A file that another row names better is not meant.
                at[asked[np.isin(at[asked], at[at >= 0][~np.isin(np.flatnonzero(at >= 0), asked)])]] = -1
            if len(found := asked[at[asked] >= 0]):
                by_spelling[kind] = found
            missing = missing[at[missing] < 0]
        return at, by_spelling

    def means(self, cells: Sequence[str]) -> NDArray[np.bool_]:
        """Tell which cells mean a file."""
        at, _ = self.find(np.array([cell.strip().removeprefix("./").encode("utf-8", "replace") for cell in cells], np.bytes_))
        return at >= 0

    def alike(self, name: bytes) -> list[bytes]:
        """Return the files that a name could mean, where it is not clear which."""
        for kind, spelling in SPELLINGS:
            if spelling is bare and not is_bare(name):
                continue
            respelt, key = self._respell(kind, spelling), spelling(name)
            first, last = (int(np.searchsorted(respelt.names, key, side)) for side in ("left", "right"))
            if last > first:
                return [self.names[place] for place in respelt.places[first:last].tolist()]
        return []

    def _twins(self, wanted: NDArray[np.bytes_], rows: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the rows that mean a JPEG beside which a PNG of the same name lies."""
        pngs = _find(self.names, np.char.add(wanted[rows], b".png"))
        return rows[(pngs >= 0) & (pngs != at[rows])]

    def _find_respelt(self, kind: str, spelling: Spelling, wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
        respelt = self._respell(kind, spelling)
        if not len(respelt.names):
            return np.full(len(wanted), -1, np.int64)
        keys = np.array([spelling(name) for name in wanted.tolist()], np.bytes_)
        first, last = (np.searchsorted(respelt.names, keys, side) for side in ("left", "right"))
        return np.where(last - first == 1, respelt.places[np.minimum(first, len(respelt.places) - 1)], -1)

    def _respell(self, kind: str, spelling: Spelling) -> _Respelt:
        if kind not in self._respelt:
            places = np.array([place for place, name in enumerate(self.names.tolist()) if not is_hidden(name)], np.int64)
            names = np.array([spelling(name) for name in self.names[places].tolist()], np.bytes_ if len(places) else "S1")
            order = np.argsort(names, kind="stable")
            self._respelt[kind] = _Respelt(names[order], places[order])
        return self._respelt[kind]


def list_images(folder: Files, on_listed: Callable[[int], None]) -> Listing:
    """List a folder.

    Args:
        folder: The images.
        on_listed: Called now and then with the number of files listed so far.

    Raises:
        DataError: The folder cannot be read.
    """
    chunks: list[tuple[NDArray[Any], ...]] = []
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
    return Listing(names[order], sizes[order], versions[order])


def match_images(listing: Listing, wanted: NDArray[np.bytes_]) -> Images:
    """Find the image of each row.

    Args:
        listing: The folder's files.
        wanted: [N] names as the annotations have them.
    """
    at, by_spelling = listing.find(wanted)
    found = at >= 0
    used = np.zeros(len(listing.names), bool)
    used[at[found]] = True
    rest = listing.names[~used].tolist()
    # Beside JPEGs, PNGs are masks or plots.
    has_png = any(name.lower().endswith(_PNG) for name in listing.names[used].tolist())
    suffixes = (*_JPEG, *_PNG) if has_png else _JPEG
    surplus = [name for name in rest if name.lower().endswith(suffixes) and not is_hidden(name)]
    return Images(
        files=_where(found, listing.names, at, b""),
        sizes=_where(found, listing.sizes, at, 0),
        versions=_where(found, listing.versions, at, 0),
        surplus=np.array(surplus, listing.names.dtype),
        num_hidden=sum(map(is_hidden, rest)),
        notes=tuple(_note(kind, rows, wanted, listing.names[at[rows]]) for kind, rows in by_spelling.items()),
    )


def _note(kind: str, rows: NDArray[np.int64], wanted: NDArray[np.bytes_], files: NDArray[np.bytes_]) -> str:
    if kind == "twin":
        many = f"{len(rows):,} rows name images" if len(rows) > 1 else "1 row names an image"
        return f"{many} of which there are a JPEG and a PNG; the JPEG is taken: {_shown(wanted[rows[0]])} is {_shown(files[0])}"
    what = {"suffix": "with another suffix or slash", "case": "in another case or spelling", "folder": "without its folder"}[kind]
    many = f"{len(rows):,} rows name their images" if len(rows) > 1 else "1 row names its image"
    return f"{many} {what}: {_shown(wanted[rows[0]])} is {_shown(files[0])}"


def _shown(name: bytes) -> str:
    return repr(name.decode("utf-8", "backslashreplace"))


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


def _pack(infos: Iterable[FileInfo]) -> tuple[NDArray[Any], ...]:
    infos = list(infos)
    return (
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
