"""From chunks of a table to the arrays of all its rows, in little more memory than these take."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shards.errors import DataError
from shards.labels.columns import CONTROL, MINUS_ONE, Columns

MAX_FILE_BYTES = 1024
"""Longest name of an image file, as in object stores. All names are kept as wide as the longest."""

_SUSPECT = ("\n\n", "\n.", "\n/", "/.", ":", " ")
_SUSPECT_CHARACTERS = re.compile(CONTROL.pattern.replace("\\x00-", "\\x00-\\x09\\x0b-"))
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_MINUS_ONE_TO_0 = bytes.maketrans(bytes([MINUS_ONE]), bytes([0]))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of a table."""

    files: list[str]
    """[n] image files as they are written."""
    codes: bytes | bytearray
    """[n · A] codes of the cells, row by row."""


class Table(Protocol):
    """An annotation file of any format, opened."""

    @property
    def name(self) -> str:
        """What messages call the file."""
        ...

    @property
    def columns(self) -> Columns:
        """The columns that are read."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows."""
        ...

    def where(self, row: int) -> str:
        """Return what messages call a row, counted from 0."""
        ...


def collect(table: Table) -> tuple[NDArray[np.bytes_], NDArray[np.uint8]]:
    """Read a table.

    Returns:
        [N] image files and [N, A] codes, -1 as 0.

    Raises:
        DataError: A row cannot be used, a column has 0 and -1, an image has two rows, or there are no rows.
    """
    files: list[NDArray[np.bytes_]] = []
    codes = bytearray()
    negatives = _Negatives(table)
    num_rows = 0
    for chunk in table.chunks():
        files.append(_file_array(table, chunk.files, num_rows))
        negatives.check(np.frombuffer(chunk.codes, np.uint8).reshape(len(chunk.files), -1), num_rows)
        codes += chunk.codes.translate(_MINUS_ONE_TO_0)
        num_rows += len(chunk.files)
    if not num_rows:
        raise DataError(f"{table.name}: has no rows")
    joined = _join(files, num_rows)
    _refuse_duplicates(table, joined)
    return joined, np.frombuffer(codes, np.uint8).reshape(num_rows, -1)


class _Negatives:
    """Which columns write a negative label as 0, and which as -1."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._zero = np.zeros(len(table.columns.names), bool)
        self._minus_one = self._zero.copy()

    def check(self, block: NDArray[np.uint8], first_row: int) -> None:
        """Take note of the next rows, [n, A]; refuse a column that does both."""
        zero = self._zero | (block == 0).any(0)
        minus_one = self._minus_one | (block == MINUS_ONE).any(0)
        if (zero & minus_one).any():
            conflicts = np.flatnonzero(zero & minus_one).tolist()
            row, column = min((self._first_conflict(block[:, column], column), column) for column in conflicts)
            here, before = (-1, 0) if block[row, column] == MINUS_ONE else (0, -1)
            where = f"{self._table.name}, {self._table.where(first_row + row)}"
            raise DataError(
                f"{where}: {self._table.columns.names[column]} is {here}, and {before} in an earlier row; "
                "write 0 and 1 or -1 and 1, and leave cells empty that are not labelled"
            )
        self._zero, self._minus_one = zero, minus_one

    def _first_conflict(self, cells: NDArray[np.uint8], column: int) -> int:
        zero = np.logical_or.accumulate(cells == 0) | self._zero[column]
        minus_one = np.logical_or.accumulate(cells == MINUS_ONE) | self._minus_one[column]
        return int(np.argmax(zero & minus_one))


def _file_array(table: Table, files: Sequence[str], first_row: int) -> NDArray[np.bytes_]:
    text = "\n".join(files)
    framed = f"\n{text}\n"
    # Looking at all names at once costs next to nothing, and there is rarely one to be looked at alone.
    if any(part in framed for part in _SUSPECT) or _SUSPECT_CHARACTERS.search(text) or text.count("\n") != len(files) - 1:
        text = "\n".join(_checked_file(table, file, row) for file, row in zip(files, count(first_row)))
    names = text.encode().split(b"\n")
    too_long = next((row for row, name in enumerate(names) if len(name) > MAX_FILE_BYTES), None)
    if too_long is not None:
        where = f"{table.name}, {table.where(first_row + too_long)}"
        raise DataError(f"{where}: image {files[too_long][:60]!r}… has a name of more than {MAX_FILE_BYTES} bytes")
    return np.array(names, np.bytes_)


def _checked_file(table: Table, file: str, row: int) -> str:
    """Return an image file without blanks and `./` before it; refuse one that cannot be below the folder of images."""
    plain = file.strip(" \t")
    while plain.startswith("./"):
        plain = plain[2:]
    if not plain:
        raise DataError(f"{table.name}, {table.where(row)}: names no image")
    if CONTROL.search(plain):
        raise DataError(f"{table.name}, {table.where(row)}: image {plain[:60]!r} has control characters in its name; rename it")
    if plain.startswith("/") or _DRIVE.match(plain) or ".." in plain.split("/"):
        raise DataError(
            f"{table.name}, {table.where(row)}: image {plain[:60]!r} is not named relative to the folder of images; "
            "write its path below that folder, without '..'"
        )
    return plain


def _join(chunks: list[NDArray[np.bytes_]], num_rows: int) -> NDArray[np.bytes_]:
    """Concatenate, and free each chunk as soon as it is copied."""
    width = max(chunk.itemsize for chunk in chunks)
    joined = np.zeros(num_rows, f"S{width}")
    end = num_rows
    while chunks:
        chunk = chunks.pop()
        joined[end - len(chunk) : end] = chunk
        end -= len(chunk)
    return joined


def _refuse_duplicates(table: Table, files: NDArray[np.bytes_]) -> None:
    # Most files are in the order of their names; then nothing needs sorting.
    if (files[1:] > files[:-1]).all():
        return
    in_order = np.sort(files)
    if (in_order[1:] != in_order[:-1]).all():
        return
    order = np.argsort(files, kind="stable")
    pairs = np.stack([order[:-1], order[1:]], axis=1)[files[order[1:]] == files[order[:-1]]]
    first, second = min(pairs.tolist(), key=lambda pair: pair[1])
    raise DataError(
        f"{table.name}, {table.where(second)}: {files[second].decode()} stands in the file twice, first in {table.where(first)}; remove one"
    )
