"""Parquet files."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.errors import ConfigurationError, DataError
from shards.labels.cells import Cells
from shards.labels.columns import wrong_cell
from shards.labels.table import HEAD_ROWS, Attribute, Chunk, Columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"

_ROWS_PER_CHUNK = 2048
_NOT_ALLOWED = 254


class ParquetTable:
    """A Parquet file, not read yet but for its columns' names."""

    names_key = True
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, name: str) -> None:
        """Read the column names.

        Raises:
            ConfigurationError: pyarrow is missing.
            DataError: The file is damaged, or names a column twice.
        """
        self.path, self.name, self.where_header = path, name, name
        self._names = _names(path, name)
        self.header = tuple(column.strip() for column in self._names)

    def where(self, row: int) -> str:
        """Return what messages call a row."""
        return f"row {row + 1}"

    def head(self) -> list[list[str]]:
        """Return the first rows as text."""
        return list(islice(self.rows(), HEAD_ROWS))

    def rows(self) -> Iterator[list[str]]:
        """Yield all rows as text; a null is an empty cell."""
        with _opened(self.path, self.name) as file:
            for batch in file.iter_batches(_ROWS_PER_CHUNK, use_threads=False):
                batch.validate(full=True)
                yield from map(list, zip(*map(_texts, batch.columns), strict=True))

    def chunks(self, columns: Columns) -> Iterator[Chunk]:
        """Yield all rows of some columns.

        Raises:
            DataError: The file is damaged, or a cell holds what it may not.
        """
        first_row = 0
        attributes = [(attribute, self._names[attribute.position]) for attribute in columns.attributes]
        key, texts = self._names[columns.key], [self._names[place] for place in columns.texts]
        wanted = list(dict.fromkeys([key, *(name for _, name in attributes), *texts]))
        with _opened(self.path, self.name) as file:
            from pyarrow import default_memory_pool

            for batch in file.iter_batches(_ROWS_PER_CHUNK, columns=wanted, use_threads=False):
                # Among others: strings that are not UTF-8.
                batch.validate(full=True)
                files = self._files(batch.column(key), key, first_row)
                codes = [self._codes(batch.column(name), name, first_row, attribute) for attribute, name in attributes]
                cells = tuple(_texts(batch.column(name)) for name in texts)
                yield Chunk(files, np.stack(codes, axis=1).tobytes() if codes else b"", cells)
                first_row += len(files)
                # Otherwise Arrow keeps what it has freed, in the end several times what the labels take.
                default_memory_pool().release_unused()

    def _files(self, column: "pa.Array", name: str, first_row: int) -> list[str]:
        column, kind = _plain(column)
        whole = kind == "float" and all(number is None or number == int(number) for number in column.to_pylist())
        if kind not in ("text", "integer") and not whole:
            raise DataError(f"{self.name}: column {name} should name the images, but holds {column.type}; choose another with --key-column")
        files = column.to_pylist()
        if None in files:
            raise DataError(f"{self.name}, {self.where(first_row + files.index(None))}: names no image")
        # A number is the image's name without its suffix.
        return files if kind == "text" else [str(int(number)) for number in files]

    def _codes(self, column: "pa.Array", name: str, first_row: int, attribute: Attribute) -> NDArray[np.uint8]:
        column, kind = _plain(column)
        cells = attribute.cells
        if not kind:
            raise DataError(f"{self.name}: column {name} holds {column.type}, expected {cells.expected}")
        if kind == "text" or not attribute.is_plain or cells.has_rules:
            codes = np.array([_code(cells, cell) for cell in _texts(column)], np.uint8)
        else:
            codes = self._number_codes(column, cells)
            codes[column.is_null().to_numpy(zero_copy_only=False)] = cells.get("", _NOT_ALLOWED)
        wrong = np.flatnonzero(codes == _NOT_ALLOWED)
        if len(wrong):
            row = int(wrong[0])
            raise wrong_cell(self.name, self.where(first_row + row), name, _text(column[row].as_py()) or "null", cells)
        return codes

    def _number_codes(self, column: "pa.Array", cells: Cells) -> NDArray[np.uint8]:
        # Nulls come as NaN, None or whatever else is no number of ours.
        numbers = column.to_numpy(zero_copy_only=False)
        codes = np.full(len(column), _NOT_ALLOWED, np.uint8)
        for number, code in cells.numbers.items():
            codes[numbers == number] = code
        return codes


def _code(cells: Cells, cell: str) -> int:
    try:
        return cells[cell]
    except KeyError:
        return _NOT_ALLOWED


def _texts(column: "pa.Array") -> list[str]:
    try:
        return [_text(cell) for cell in column.to_pylist()]
    except (OverflowError, ValueError):
        # Dates that Python's own do not reach; no label, no name.
        return ["?"] * len(column)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


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
