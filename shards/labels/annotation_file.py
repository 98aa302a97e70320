"""Readers of attribute tables and partition files in every format: CelebA's own text, CSV and Parquet, told apart by content."""

import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shards.annotations import Annotations, Partition
from shards.errors import DataError
from shards.labels import celeba, parquet, table
from shards.labels.collector import Table, collect
from shards.labels.columns import Selection
from shards.labels.text_table import TextFile

_HEAD_BYTES = 2**16
_ARCHIVES = {
    b"\x1f\x8b": "is gzip-compressed; unpack it first",
    b"PK\x03\x04": "is a ZIP archive; unpack it, or save a spreadsheet as CSV, first",
}


def read_annotations(path: Path, *, key_column: str | None = None, columns: Sequence[str] = (), name: str | None = None) -> Annotations:
    """Read the labels of all images.

    Args:
        path: A file of this machine.
        key_column: Column of the image files; by default the first. CelebA's own file has no name for it.
        columns: Columns that are labels, in this order; empty: all others.
        name: What messages call the file; by default its path.

    Raises:
        ConfigurationError: There is no such column, or reading Parquet needs a package that is missing.
        DataError: The file is missing, damaged or not as its format wants it; the message names file and line.
    """
    opened = _open_annotations(path, Selection(key_column=key_column, columns=tuple(columns)), name)
    files, codes = collect(opened)
    return Annotations(attributes=opened.columns.names, files=files, labels=codes.view(np.int8))


def attribute_names(path: Path, *, key_column: str | None = None, columns: Sequence[str] = (), name: str | None = None) -> tuple[str, ...]:
    """Return what `read_annotations` would give as attributes, from the head of the file alone.

    Raises:
        ConfigurationError: As `read_annotations`.
        DataError: The file is missing, or its head is not as its format wants it.
    """
    return _open_annotations(path, Selection(key_column=key_column, columns=tuple(columns)), name).columns.names


def read_partition(path: Path, *, name: str | None = None) -> Partition:
    """Read which split each image belongs to.

    Args:
        path: A file of this machine.
        name: What messages call the file; by default its path.

    Raises:
        ConfigurationError: Reading Parquet needs a package that is missing.
        DataError: The file is missing, damaged or not as its format wants it; the message names file and line.
    """
    name = name or str(path)
    text = TextFile(path, name)
    if _is_parquet(path, name):
        opened: Table = parquet.open_partition(path, name)
    else:
        opened = table.open_partition(text) if _is_csv(text) else celeba.open_partition(text)
    files, codes = collect(opened)
    return Partition(files=files, codes=codes[:, 0])


def _open_annotations(path: Path, selection: Selection, name: str | None) -> Table:
    name = name or str(path)
    if _is_parquet(path, name):
        return parquet.open_attributes(path, name, selection)
    text = TextFile(path, name)
    return (table if _is_csv(text) else celeba).open_attributes(text, selection)


def _is_parquet(path: Path, name: str) -> bool:
    """Tell Parquet from text, and refuse what is neither."""
    try:
        # Opening a pipe could wait for ever, and it cannot be read twice.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{name}: is a folder or a pipe, expected a file")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from error
    if head.startswith(parquet.MAGIC):
        return True
    for magic, advice in _ARCHIVES.items():
        if head.startswith(magic):
            raise DataError(f"{name}: {advice}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise DataError(f"{name}: is empty")
    if text.startswith(b"<"):
        raise DataError(f"{name}, line 1: is an HTML page (a failed download?), not an annotation file")
    return False


def _is_csv(file: TextFile) -> bool:
    return "," in next(file.lines(), "")
