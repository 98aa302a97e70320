"""Tables of labels, of any format, told apart by content."""

import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from shards.annotations import Annotations
from shards.errors import ConfigurationError, DataError
from shards.kinds import kind_of
from shards.labels.collector import SAY, collect
from shards.labels.columns import Means, choose_columns
from shards.labels.parquet import ParquetTable
from shards.labels.selection import Selection
from shards.labels.table import Columns, Table
from shards.labels.text_file import TextFile
from shards.labels.text_table import TextTable
from shards.storage.parquet_file import MAGIC

_HEAD_BYTES = 2**16
_MOST_CELLS = 6
_ADVICE = dict.fromkeys(("table", "document"), "write its table as CSV or Parquet") | {"image": "name the table of labels"}
"""What to do with a file of some categories that is no table here; with the others the kind says it."""


def read_annotations(path: Path, selection: Selection | None = None, *, name: str | None = None, means: Means | None = None) -> Annotations:
    """Read the labels of all images.

    Args:
        path: A file of this machine.
        selection: Which columns are read, and what their cells mean; by default the one that names the image, and all others as labels.
        name: What messages call the file; by default its path.
        means: Tells which cells mean a file of the folder of images; without it the cells' looks decide which column names the image.

    Raises:
        ConfigurationError: There is no such column, or reading Parquet needs a package that is missing.
        DataError: The file is missing, damaged or not as its format wants it; the message names file and line.
    """
    (annotations,) = read_tables([(path, name or str(path))], selection or Selection(), means)
    return annotations


def read_tables(
    files: Sequence[tuple[Path, str]], selection: Selection, means: Means | None = None, images: Mapping[str, Sequence[str]] | None = None
) -> list[Annotations]:
    """Read several tables with one selection: what it names has to be in one of them, not in each.

    Args:
        files: Files of this machine, and what messages call them.
        selection: As for `read_annotations`.
        means: As for `read_annotations`.
        images: What messages call a Parquet file that holds images -> their names, row by row.

    Raises:
        ConfigurationError: As `read_annotations`; or a category, a word or a cell of `--values` is in none of them.
        DataError: As `read_annotations`.
    """
    tables = [open_table(path, name, images=(images or {}).get(name)) for path, name in files]
    selection = selection.with_categories(tables)
    found = [_read(table, selection, means) for table in tables]
    for missing in found[0][1]:
        if all(missing in unmet for _, unmet, _ in found):
            raise ConfigurationError(found[0][1][missing])
    zero, minus_one = (next((its for its in column if its), None) for column in zip(*(negatives for _, _, negatives in found), strict=True))
    if zero and minus_one:
        raise DataError(
            f"{' and '.join(table.name for table in tables)}: {zero} writes a negative label as 0, and {minus_one} as -1; {SAY}"
        )
    return [annotations for annotations, _, _ in found]


def _read(table: Table, selection: Selection, means: Means | None) -> tuple[Annotations, dict[str, str], tuple[str | None, str | None]]:
    columns = choose_columns(table, selection, means)
    found = collect(table, columns, selection.rules())
    texts = dict(zip(selection.texts(), found.texts, strict=True))
    annotations = Annotations(
        attributes=columns.names,
        files=found.files,
        labels=found.codes.view(np.int8),
        splits=texts.get(selection.split_column or ""),
        groups=texts.get(selection.group_column or ""),
        key_column=table.header[columns.key],
        cells=_first_cells(table, columns),
        notes=columns.notes,
    )
    return annotations, found.unmet, (found.zero, found.minus_one)


def attribute_names(path: Path, selection: Selection | None = None, *, name: str | None = None) -> tuple[str, ...]:
    """Return what `read_annotations` would give as attributes, from the head of the file alone, and all of it for `COLUMN=*`.

    Raises:
        ConfigurationError: As `read_annotations`.
        DataError: The file is missing, or its head is not as its format wants it.
    """
    return choose_columns(open_table(path, name or str(path)), selection or Selection()).names


def _first_cells(table: Table, columns: Columns) -> tuple[tuple[str, ...], ...]:
    rows = [row for row in table.head() if len(row) == len(table.header)]
    held = (dict.fromkeys(row[attribute.position].strip() for row in rows) for attribute in columns.attributes)
    return tuple(tuple(cells)[:_MOST_CELLS] for cells in held)


def open_table(
    path: Path, name: str, *, images: Sequence[str] | None = None, is_header: Callable[[Sequence[str]], bool] | None = None
) -> Table:
    """Open a table of any format.

    Args:
        path: A file of this machine.
        name: What messages call the file.
        images: Names of the images that a Parquet file holds, row by row.
        is_header: Tells a header from a first row, where text may do without one.

    Raises:
        ConfigurationError: Reading Parquet needs a package that is missing.
        DataError: The file is missing, or no table.
    """
    if is_parquet(path, name):
        return ParquetTable(path, name, images)
    return TextTable(TextFile(path, name), is_header=is_header)


def is_parquet(path: Path, name: str) -> bool:
    """Tell Parquet from text.

    Raises:
        DataError: It is neither, or cannot be read.
    """
    try:
        # Opening a pipe could wait for ever, and it cannot be read twice.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{name}: is a folder or a pipe, expected a file")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from error
    if head.startswith(MAGIC):
        return True
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise DataError(f"{name}: is empty")
    if text.startswith(b"<"):
        raise DataError(f"{name}, line 1: is an HTML page (a failed download?), not an annotation file")
    if kind := kind_of(head):
        raise DataError(f"{name}: is {kind.name}; {_ADVICE.get(kind.category, kind.advice)}")
    return False
