"""What to say when rows and files do not meet: what each side looks like, and the one change by which most rows would."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shards.packing.images import Listing
from shards.packing.keys import shown
from shards.packing.names import folded, is_hidden
from shards.storage.opening import as_path, is_zip

_MOST = 200_000
"""Rows and files that are looked at."""
_TRIED = 5
"""Rows from which a change is guessed."""


def advice(images: str, listing: Listing, rows: NDArray[np.bytes_]) -> str:
    """Return, in words, what the folder holds and which one change would make how many rows mean a file.

    Args:
        images: What messages call the folder.
        listing: Its files.
        rows: Names that mean none of them.
    """
    files = [name for name in listing.names[:_MOST].tolist() if not is_hidden(name)]
    if not files:
        return f"; {images} holds only hidden files"
    names = rows[:_MOST].tolist()
    there = f"; the first file there is {shown(files[0])}"
    if several := several_fit(listing, rows):
        return there + several
    stems, known = [folded(name) for name in names], {folded(name) for name in files}
    counts = {words: sum(change(stem) in known for stem in stems) for words, change in _changes(images, stems, files, known)}
    if not counts:
        return there
    words, count = max(counts.items(), key=lambda entry: entry[1])
    if not count:
        return there
    return f"{there}; {words}, and {count:,} of {len(names):,} rows would match"


def several_fit(listing: Listing, rows: NDArray[np.bytes_]) -> str:
    """Return, in words, which files the first of some rows could mean, if there are several."""
    candidates = listing.alike(rows[0])
    if len(candidates) < 2:
        return ""
    listed = " and ".join(map(shown, candidates[:2]))
    return f"; {len(candidates)} files fit that row, {listed} among them: write the path in the table"


def _changes(images: str, stems: Sequence[bytes], files: Sequence[bytes], known: set[bytes]) -> Iterator[tuple[str, "_Change"]]:
    yield from _leading_zeros(stems, known)
    yield from _other_folder(images, stems, files)
    yield from _shorter(images, stems, known)
    yield from _around(stems, known)


class _Change:
    """Cuts something from a row's stem and puts something around it, and fills its number with zeros."""

    def __init__(self, *, cut_front: bytes = b"", cut_end: bytes = b"", front: bytes = b"", end: bytes = b"", digits: int = 0) -> None:
        self._cut, self._put, self._digits = (cut_front, cut_end), (front, end), digits

    def __call__(self, stem: bytes) -> bytes | None:
        (cut_front, cut_end), (front, end) = self._cut, self._put
        if not (stem.startswith(cut_front) and stem.endswith(cut_end)):
            return None
        middle = stem[len(cut_front) : len(stem) - len(cut_end)]
        if self._digits:
            head, slash, name = middle.rpartition(b"/")
            middle = head + slash + name.zfill(self._digits) if name.isdigit() else middle
        return front + middle + end


def _leading_zeros(stems: Sequence[bytes], known: set[bytes]) -> Iterator[tuple[str, _Change]]:
    lengths = Counter(len(name) for stem in known if (name := stem.rpartition(b"/")[2]).isdigit())
    for digits, _ in lengths.most_common(2):
        if any(len(stem.rpartition(b"/")[2]) < digits for stem in stems[:_TRIED]):
            yield f"write the numbers with leading zeros, {digits} digits each (a spreadsheet drops them)", _Change(digits=digits)


def _other_folder(images: str, stems: Sequence[bytes], files: Sequence[bytes]) -> Iterator[tuple[str, _Change]]:
    for stem in stems[:_TRIED]:
        depth = stem.count(b"/") + 1
        # The hint has to spell the folder as it is.
        folders = {b"/".join(name.split(b"/")[:-depth]) for name in files if folded(name).endswith(b"/" + stem)}
        for folder in sorted(folders)[:_TRIED]:
            text = folder.decode("utf-8", "backslashreplace")
            inside = f"zip://{text}::{as_path(images)}" if is_zip(images) else f"{images.rstrip('/')}/{text}"
            yield f"try --images {inside}", _Change(front=folded(folder + b"/x")[:-1])


def _shorter(images: str, stems: Sequence[bytes], known: set[bytes]) -> Iterator[tuple[str, _Change]]:
    parts = stems[0].split(b"/")
    inside = re.sub(r"/+\Z", "", images).rpartition("/")[2].lower().encode()
    for count in range(1, len(parts)):
        prefix = b"/".join(parts[:count]) + b"/"
        if b"/".join(parts[count:]) in known:
            text = prefix.decode("utf-8", "backslashreplace")
            above = images.rstrip("/").rpartition("/")[0] or "."
            words = (
                f"try --images {above}" if count == 1 and parts[0] == inside else f"take {text!r} from the beginning of the table's names"
            )
            yield words, _Change(cut_front=prefix)


def _around(stems: Sequence[bytes], known: set[bytes]) -> Iterator[tuple[str, _Change]]:
    ordered = sorted(known)[:5000]
    for stem in stems[:_TRIED]:
        for name in ordered:
            at = name.find(stem)
            if at >= 0 and name != stem and len(stem) > 1:
                front, end = name[:at], name[at + len(stem) :]
                yield f"put {_parts('before', front, 'behind', end)} the table's names", _Change(front=front, end=end)
            at = stem.find(name)
            if at >= 0 and name != stem and len(name) > 1:
                front, end = stem[:at], stem[at + len(name) :]
                yield (
                    f"take {_parts('from the beginning', front, 'from the end', end)} of the table's names",
                    _Change(cut_front=front, cut_end=end),
                )


def _parts(first: str, front: bytes, second: str, end: bytes) -> str:
    pieces = ((front, first), (end, second))
    return " and ".join(f"{piece.decode('utf-8', 'backslashreplace')!r} {where}" for piece, where in pieces if piece)


def surplus_advice(surplus: NDArray[np.bytes_]) -> str:
    """Return where the images without a row lie, if all of them lie in one folder."""
    folders = {name.rpartition(b"/")[0] for name in surplus[:_MOST].tolist()}
    return f" (all in {shown(folders.pop())})" if len(folders) == 1 and len(surplus) > 1 and b"/" in surplus[0] else ""
