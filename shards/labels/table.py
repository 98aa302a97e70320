"""CSV files with a header: one column names the image, the others are labels or a split.

Quoting is that of RFC 4180. Kaggle's copies of CelebA's files are such tables.
"""

import csv
from collections.abc import Iterator
from itertools import islice

from shards.errors import DataError
from shards.labels.columns import LABEL_CELLS, SPLIT_CELLS, Cells, Selection, select
from shards.labels.text_table import TextFile, TextTable


def open_attributes(file: TextFile, selection: Selection) -> TextTable:
    """Read the header of a table of labels.

    Raises:
        ConfigurationError: The selection names a column that the table has not.
        DataError: The header is not as it must be.
    """
    return _open(file, _header(file), selection, LABEL_CELLS)


def open_partition(file: TextFile) -> TextTable:
    """Read the header of a table of image files and splits.

    Raises:
        DataError: There are not two columns, or no header.
    """
    header = _header(file)
    check_partition_header(header, f"{file.name}, line 1")
    return _open(file, header, Selection(), SPLIT_CELLS)


def check_partition_header(header: list[str], where: str) -> None:
    """Refuse a table of splits that has not two columns, or no header: its first image would be lost in silence."""
    if len(header) != 2:
        raise DataError(f"{where}: expected two columns, the image and its split, got {len(header)}")
    if header[1].strip().lower() in SPLIT_CELLS:
        raise DataError(f"{where}: holds values, expected a header with the names of the columns; add one")


def _open(file: TextFile, header: list[str], selection: Selection, cells: Cells) -> TextTable:
    columns = select(header, selection, file=file.name, where=f"{file.name}, line 1")
    return TextTable(
        file=file,
        columns=columns,
        num_cells=len(header),
        cells=cells,
        rows=lambda: islice(_records(file), 1, None),
        line_of=lambda row: _line_of(file, row + 1),
    )


def _header(file: TextFile) -> list[str]:
    return next(_records(file))


def _records(file: TextFile) -> Iterator[list[str]]:
    """Yield all records, the header first."""
    lines = file.lines()
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    number = 0
    try:
        for record in reader:
            if len(record) < 2 and not "".join(record).strip():
                file.check_blank(lines, reader.line_num)
                return
            number += 1
            yield record
    except csv.Error as error:
        raise DataError(f"{file.name}, line {_line_of(file, number)}: is not valid CSV ({error})") from error


def _line_of(file: TextFile, record: int) -> int:
    """Return the line on which a record begins; quoted cells may go over several."""
    reader = csv.reader(file.lines(), strict=True, skipinitialspace=True)
    for _ in islice(reader, record):
        pass
    return reader.line_num + 1
