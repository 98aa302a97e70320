"""CelebA's own files: `list_attr_celeba.txt` and `list_eval_partition.txt`.

The attribute file holds the number of rows, then the attribute names, then one row per image of a file name and -1/1 values; the
partition file has rows of a file name and a split code, and no header. Any run of blanks separates.
"""

from collections.abc import Iterator
from itertools import islice

from shards.errors import ConfigurationError, DataError
from shards.labels.columns import OFFICIAL_LABEL_CELLS, SPLIT_CELLS, Columns, Selection, select
from shards.labels.text_table import TextFile, TextTable

_MAX_DIGITS = 12


def open_attributes(file: TextFile, selection: Selection) -> TextTable:
    """Read the head of an attribute file.

    Raises:
        ConfigurationError: The selection asks for what the file has not.
        DataError: The head is not as the format wants it.
    """
    first, second = [*islice(file.lines(), 2), "", ""][:2]
    announced = first.strip()
    if not (announced.isascii() and announced.isdigit() and len(announced) <= _MAX_DIGITS):
        raise DataError(
            f"{file.name}, line 1: expected the number of images (official file) or a comma-separated header, got {announced[:60]!r}"
        )
    if selection.key_column is not None:
        raise ConfigurationError(f"--key-column: {file.name} is a CelebA attribute file, whose column of images has no name; leave it out")
    names = second.split()
    if not names:
        raise DataError(f"{file.name}: ends before the line of attribute names; get a whole copy")
    columns = select(["", *names], selection, file=file.name, where=f"{file.name}, line 2")
    return TextTable(
        file=file,
        columns=columns,
        num_cells=1 + len(names),
        cells=OFFICIAL_LABEL_CELLS,
        rows=lambda: _rows(file, num_head_lines=2, announced=int(announced)),
        line_of=lambda row: row + 3,
    )


def open_partition(file: TextFile) -> TextTable:
    """Return the rows of a partition file."""
    return TextTable(
        file=file,
        columns=Columns(key=0, positions=(1,), names=("the split",)),
        num_cells=2,
        cells=SPLIT_CELLS,
        rows=lambda: _rows(file, num_head_lines=0, announced=None),
        line_of=lambda row: row + 1,
    )


def _rows(file: TextFile, *, num_head_lines: int, announced: int | None) -> Iterator[list[str]]:
    lines = islice(file.lines(), num_head_lines, None)
    num_rows = 0
    for line in lines:
        row = line.split()
        if not row:
            file.check_blank(lines, num_head_lines + num_rows + 1)
            break
        num_rows += 1
        yield row
    if announced is not None and 0 < num_rows != announced:
        raise DataError(f"{file.name}: line 1 announces {announced} images, the file has {num_rows} rows; get a whole copy")
