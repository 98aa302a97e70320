"""Parquet files: one column names the image, the others are labels or a split."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.errors import ConfigurationError, DataError
from shards.labels.collector import Chunk
from shards.labels.columns import LABEL_CELLS, SPLIT_CELLS, Cells, Columns, Selection, select
from shards.labels.table import check_partition_header
from shards.labels.text_table import wrong_cell

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"

_ROWS_PER_CHUNK = 2048
_NOT_ALLOWED = 254


def open_attributes(path: Path, name: str, selection: Selection) -> "ParquetTable":
    """Read the column names of a table of labels.

    Raises:
        ConfigurationError: pyarrow is missing, or the selection names a column that the table has not.
        DataError: The file is damaged, or its names are not as they must be.
    """
    return ParquetTable(path, name, select(_names(path, name), selection, file=name, where=name), LABEL_CELLS)


def open_partition(path: Path, name: str) -> "ParquetTable":
    """Read the column names of a table of image files and splits.

    Raises:
        ConfigurationError: pyarrow is missing.
        DataError: The file is damaged, or there are not two columns.
    """
    names = _names(path, name)
    check_partition_header(names, name)
    return ParquetTable(path, name, select(names, Selection(), file=name, where=name), SPLIT_CELLS)


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """The rows of a Parquet file, not read yet."""

    path: Path
    name: str
    columns: Columns
    cells: Cells

    def where(self, row: int) -> str:
        """Return what messages call a row."""
        return f"row {row + 1}"

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows.

        Raises:
            DataError: The file is damaged, or a cell holds what it may not.
        """
        first_row = 0
        with _opened(self.path, self.name) as file:
            from pyarrow import default_memory_pool

            names = file.schema_arrow.names
            key, wanted = names[self.columns.key], [names[position] for position in self.columns.positions]
            for batch in file.iter_batches(_ROWS_PER_CHUNK, columns=[key, *wanted], use_threads=False):
                # Among others: strings that are not UTF-8.
                batch.validate(full=True)
                files = self._files(batch.column(key), key, first_row)
                codes = [self._codes(batch.column(name), name, first_row) for name in wanted]
                yield Chunk(files, np.stack(codes, axis=1).tobytes())
                first_row += len(files)
                # Otherwise Arrow keeps what it has freed, in the end several times what the labels take.
                default_memory_pool().release_unused()

    def _files(self, column: "pa.Array", name: str, first_row: int) -> list[str]:
        column, kind = _plain(column)
        if kind not in ("text", "integer"):
            raise DataError(f"{self.name}: column {name} should name the images, but holds {column.type}; choose another with --key-column")
        files = column.to_pylist()
        if None in files:
            raise DataError(f"{self.name}, {self.where(first_row + files.index(None))}: names no image")
        # A number is the image's name without its suffix.
        return files if kind == "text" else [str(number) for number in files]

    def _codes(self, column: "pa.Array", name: str, first_row: int) -> NDArray[np.uint8]:
        column, kind = _plain(column)
        # As a number, a boolean "is test" would become the split val.
        if not kind or (kind == "boolean" and "true" not in self.cells):
            raise DataError(f"{self.name}: column {name} holds {column.type}, expected {self.cells.expected}")
        codes = self._text_codes(column) if kind == "text" else self._number_codes(column)
        codes[column.is_null().to_numpy(zero_copy_only=False)] = self.cells.get("", _NOT_ALLOWED)
        wrong = np.flatnonzero(codes == _NOT_ALLOWED)
        if len(wrong):
            row = int(wrong[0])
            value = column[row].as_py()
            raise wrong_cell(self.name, self.where(first_row + row), name, "null" if value is None else value, self.cells)
        return codes

    def _text_codes(self, column: "pa.Array") -> NDArray[np.uint8]:
        # A null stands for itself here; the caller gives it its code.
        cells = self.cells
        return np.array([_NOT_ALLOWED if cell is None or not cells.allow(cell) else cells[cell] for cell in column.to_pylist()], np.uint8)

    def _number_codes(self, column: "pa.Array") -> NDArray[np.uint8]:
        # Nulls come as NaN, None or whatever else is no number of ours.
        numbers = column.to_numpy(zero_copy_only=False)
        codes = np.full(len(column), _NOT_ALLOWED, np.uint8)
        for number, code in self.cells.numbers.items():
            codes[numbers == number] = code
        return codes


def _plain(column: "pa.Array") -> "tuple[pa.Array, str]":
    """Return a column without its dictionary, and what it holds: text, integer, float, boolean, null, or an empty string for all else."""
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    tests = {
        "text": (types.is_string, types.is_large_string, types.is_string_view),
        "integer": (types.is_integer,),
        "float": (types.is_floating,),
        "boolean": (types.is_boolean,),
        "null": (types.is_null,),
    }
    return column, next((kind for kind, accepts in tests.items() if any(accept(column.type) for accept in accepts)), "")


def _names(path: Path, name: str) -> list[str]:
    with _opened(path, name) as file:
        names = file.schema_arrow.names
    if len(set(names)) != len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise DataError(f"{name}: column {twice[:60]!r} is named twice; rename or remove one")
    return names


@contextmanager
def _opened(path: Path, name: str) -> "Iterator[pq.ParquetFile]":
    try:
        # Imported here: whoever has no Parquet files need not install it.
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigurationError(f"{name}: reading Parquet needs pyarrow; pip install 'dropstream[parquet]'") from error
    try:
        # Reading ahead would hold more of the file. `buffer_size` would hold less, but pyarrow 17 then fails on some files ("Cannot shrink
        # read buffer").
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: cannot be read as Parquet ({' '.join(str(error).split())[:200]}); get a whole copy") from error
