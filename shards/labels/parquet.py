"""Parquet files."""

import json
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.errors import DataError
from shards.labels.cells import Cells
from shards.labels.hints import wrong_cell
from shards.labels.table import HEAD_ROWS, Attribute, Chunk, Columns
from shards.storage.parquet_file import find_image_column, opened

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS_PER_CHUNK = 2048
_NOT_ALLOWED = 254


class ParquetTable:
    """A Parquet file, not read yet but for its columns' names."""

    names_key = True
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, name: str, images: Sequence[str] | None = None) -> None:
        """Read the column names.

        Args:
            path: A file of this machine.
            name: What messages call it.
            images: Names of the images that it holds, row by row; by default they are the paths that stand beside them.

        Raises:
            ConfigurationError: pyarrow is missing.
            DataError: The file is damaged, or names a column twice.
        """
        self.path, self.name, self.where_header = path, name, name
        with opened(path, name) as file:
            self._names = _names(file, name)
            self._classes = _classes(file)
            self._images = find_image_column(file, name)
        self._image_names = images
        self.header = tuple(column.strip() for column in self._names)
        self.image_column = self.header[self._names.index(self._images.name)] if self._images is not None else None

    def where(self, row: int) -> str:
        """Return what messages call a row."""
        return f"row {row + 1}"

    def head(self) -> list[list[str]]:
        """Return the first rows as text."""
        return list(islice(self.rows(), HEAD_ROWS))

    def rows(self) -> Iterator[list[str]]:
        """Yield all rows as text; a null is an empty cell."""
        for batch, first_row in self._batches(self._names):
            columns = [self._image_cells(batch, first_row) if self._is_image(name) else self._cells(batch, name) for name in self._names]
            yield from map(list, zip(*columns, strict=True))

    def chunks(self, columns: Columns) -> Iterator[Chunk]:
        """Yield all rows of some columns.

        Raises:
            DataError: The file is damaged, or a cell holds what it may not.
        """
        attributes = [(attribute, self._names[attribute.position]) for attribute in columns.attributes]
        key, texts = self._names[columns.key], [self._names[place] for place in columns.texts]
        for batch, first_row in self._batches([key, *(name for _, name in attributes), *texts]):
            files = self._image_cells(batch, first_row) if self._is_image(key) else self._files(batch.column(key), key, first_row)
            codes = [self._codes(self._column(batch, name), name, first_row, attribute) for attribute, name in attributes]
            cells = tuple(self._cells(batch, name) for name in texts)
            yield Chunk(files, np.stack(codes, axis=1).tobytes() if codes else b"", cells)

    def _batches(self, names: Sequence[str]) -> "Iterator[tuple[pa.RecordBatch, int]]":
        """Yield some rows of some columns, and the number of the first; of images no more than their paths."""
        wanted = [name for name in dict.fromkeys(names) if not self._is_image(name)]
        if self._images is not None and self._images.path is not None and len(wanted) < len(names):
            wanted.append(self._images.path)
        first_row = 0
        with opened(self.path, self.name) as file:
            from pyarrow import default_memory_pool

            # Without a column there would be no rows.
            for batch in file.iter_batches(_ROWS_PER_CHUNK, columns=wanted or self._names[:1], use_threads=False):
                # Among others: strings that are not UTF-8.
                batch.validate(full=True)
                yield batch, first_row
                first_row += batch.num_rows
                # Otherwise Arrow keeps what it has freed, in the end several times what the labels take.
                default_memory_pool().release_unused()

    def _is_image(self, name: str) -> bool:
        return self._images is not None and name == self._images.name

    def _image_cells(self, batch: "pa.RecordBatch", first_row: int) -> list[str]:
        """Return the names of a batch's images, empty ones where nothing names them."""
        if self._image_names is not None:
            return list(self._image_names[first_row : first_row + batch.num_rows])
        if self._images is None or self._images.path is None:
            return [""] * batch.num_rows
        return [path or "" for path in batch.column(self._images.name).flatten()[0].to_pylist()]

    def _column(self, batch: "pa.RecordBatch", name: str) -> "pa.Array":
        """Return a column; classes that have names by these."""
        column = batch.column(name)
        return _named(column, self._classes[name]) if name in self._classes else column

    def _cells(self, batch: "pa.RecordBatch", name: str) -> list[str]:
        return _texts(self._column(batch, name))

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
            left_out = f"; to leave it out: --drop-columns {shlex.quote(name)}" if cells.is_label else ""
            raise DataError(f"{self.name}: column {name} holds {column.type}, expected {cells.expected}{left_out}")
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


def _names(file: "pq.ParquetFile", name: str) -> list[str]:
    names = file.schema_arrow.names
    if len(set(names)) != len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise DataError(f"{name}: column {twice[:60]!r} is named twice; rename or remove one")
    return names


def _classes(file: "pq.ParquetFile") -> dict[str, list[str]]:
    """Return the columns of more than two classes, as Hugging Face's datasets tell them -> the classes' names."""
    try:
        told = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"].items()
        found = {name: feature["names"] for name, feature in features if feature.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        name: names
        for name, names in found.items()
        if isinstance(names, list) and len(names) > 2 and all(isinstance(entry, str) and entry for entry in names)
    }


def _named(column: "pa.Array", names: Sequence[str]) -> "pa.Array":
    """Return the names of classes; the numbers as they are where one has no name. -1 is none at all."""
    import pyarrow as pa

    numbers = column.to_pylist()
    if any(number is not None and (not isinstance(number, int) or not -1 <= number < len(names)) for number in numbers):
        return column
    return pa.array([None if number is None or number < 0 else names[number] for number in numbers], pa.string())
