"""A shard's content against its rows of `index.npy`, `labels.npy` and `keys.npy`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS
from shards.check.contents import Contents
from shards.check.problems import Problems
from shards.packing.images import positions_in
from shards.tar import BLOCK, label_bytes, padded

_COLUMNS = {"offset": "begins at byte", "size": "has the size", "width": "has the width", "height": "has the height"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """A shard's rows of the three arrays."""

    index: NDArray[np.void]
    """[n] of INDEX_DTYPE."""
    labels: NDArray[np.int8]
    """[n, A]."""
    keys: NDArray[np.bytes_]
    """[n]."""


def report_defects(contents: Contents, rows: Rows | None, num_attributes: int, problems: Problems) -> None:
    """Report what the walk found. A damaged header names a wrong key or none: the index tells whose place it is."""
    owner = _owners(rows, num_attributes) if rows else None
    for defect in contents.defects:
        key = (owner(defect.at) if owner and defect.hides_member else "") or defect.key
        problems.add(f"{defect.what} (at byte {defect.at})" if "at byte" not in defect.what else defect.what, key=key)
    problems.count += contents.num_defects - len(contents.defects)


def compare_place(number: int, split: str, first_row: int, rows: Rows, problems: Problems) -> None:
    """Compare the columns of the index that are the same for the whole shard.

    Args:
        number: The shard's position in the manifest.
        split: Its split.
        first_row: Where its rows begin in the arrays.
        rows: Its rows.
        problems: Takes what differs.
    """
    for column, wanted in (("shard", number), ("split", SPLITS.index(split))):
        differing = np.flatnonzero(rows.index[column] != wanted)
        if len(differing):
            row = first_row + int(differing[0])
            problems.add(f"{len(differing):,} of its rows have another {column} number in index.npy, first row {row}")


def compare_samples(contents: Contents, rows: Rows, attributes: tuple[str, ...], problems: Problems) -> None:
    """Compare samples with the arrays, key by key."""
    at = positions_in(rows.keys, contents.keys)
    known = np.flatnonzero(at >= 0)
    for key in contents.keys[at < 0].tolist():
        problems.add("is in the tar, but keys.npy does not name it for this shard", key=_text(key))
    mentioned = {problem.key for problem in problems.shown}
    for key in np.delete(rows.keys, at[known]).tolist():
        if _text(key) not in mentioned:
            problems.add("keys.npy names it for this shard, but the tar has no such sample", key=_text(key))
    backward = known[1:][np.diff(at[known]) < 0]
    if len(backward):
        problems.add("its samples stand in another order than keys.npy has them, first this one", key=_text(contents.keys[backward[0]]))
    found, wanted = contents.rows[known], rows.index[at[known]]
    keys = contents.keys[known]
    for row in np.flatnonzero(found["crc32"] != wanted["crc32"]).tolist():
        problems.add("its image is damaged: its checksum is not index.npy's", key=_text(keys[row]))
    for column, text in _COLUMNS.items():
        for row in np.flatnonzero(found[column] != wanted[column]).tolist():
            problems.add(f"its image {text} {found[column][row]}, index.npy says {wanted[column][row]}", key=_text(keys[row]))
    differing = contents.labels[known] != rows.labels[at[known]]
    for row in np.flatnonzero(differing.any(1)).tolist():
        problems.add(f"its labels are not those of labels.npy, first {attributes[differing[row].argmax()]!r}", key=_text(keys[row]))


def _owners(rows: Rows, num_attributes: int) -> Callable[[int], str]:
    begins = rows.index["offset"].astype(np.int64) - BLOCK
    label_size = padded(len(label_bytes(np.zeros(num_attributes, np.int8))))
    ends = begins + 2 * BLOCK + -(-rows.index["size"].astype(np.int64) // BLOCK) * BLOCK + label_size

    def owner(at: int) -> str:
        found = np.flatnonzero((begins <= at) & (at < ends))
        return _text(rows.keys[found[0]]) if len(found) else ""

    return owner


def _text(key: bytes) -> str:
    return key.decode("ascii", "backslashreplace")
