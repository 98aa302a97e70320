"""From chunks of a table to the arrays of all its rows, in little more memory than these take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from shards.characters import CONTROL
from shards.errors import DataError, did_you_mean
from shards.labels.cells import MINUS_ONE, Category, Rule, Word, label_cells, words_of
from shards.labels.columns import INDEX_NAMES
from shards.labels.table import Columns, Table
from shards.storage.folder import MAX_FILE_BYTES, leads_out

_SUSPECT = ("\n\n", "\n.", "\n/", "/.", "\\", ":", " ")
_SUSPECT_CHARACTERS = re.compile(CONTROL.pattern.replace("\\x00-", "\\x00-\\x09\\x0b-"))
SAY = "if -1 means not known, add --values -1=unlabelled; if 0 does, --values 0=unlabelled; if both mean negative, --values -1=0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """All rows of a table."""

    files: NDArray[np.bytes_]
    """[N] image files as the table names them."""
    codes: NDArray[np.uint8]
    """[N, A]: 1, 0 or `NO_LABEL`; of a column of splits, split codes."""
    texts: tuple[NDArray[np.bytes_], ...]
    """Per text column its [N] cells in UTF-8, trimmed."""
    unmet: dict[str, str]
    """What the user named and no cell holds -> what to say of it."""
    zero: str | None
    """A column that writes a negative label as 0."""
    minus_one: str | None
    """A column that writes it as -1."""


def collect(table: Table, columns: Columns, rules: Sequence[Rule] = ()) -> Collected:
    """Read a table.

    Args:
        table: The opened table.
        columns: What to read of it.
        rules: What `--values` says.

    Raises:
        DataError: A row cannot be used, the file has 0 and -1, an image has two rows, or there are no rows.
    """
    files: list[NDArray[np.bytes_]] = []
    texts: list[list[NDArray[np.bytes_]]] = [[] for _ in columns.texts]
    codes = bytearray()
    meanings, used = _meanings(rules), set[int]()
    negatives = _Negatives(table, columns)
    num_rows = 0
    for chunk in table.chunks(columns):
        files.append(_file_array(table, chunk.files, num_rows))
        negatives.check(np.frombuffer(chunk.codes, np.uint8).reshape(len(chunk.files), -1), num_rows)
        if rules:
            used.update(chunk.codes)
        codes += chunk.codes.translate(meanings)
        for column, cells in zip(texts, chunk.texts, strict=True):
            column.append(np.array([cell.strip().encode() for cell in cells], np.bytes_))
        num_rows += len(chunk.files)
    if not num_rows:
        raise DataError(f"{table.name}: has no rows")
    negatives.check_left_out()
    unmet = {
        rule.text: f"--values {rule.text!r}: no label cell of {table.name} holds {rule.cell!r}; leave it out"
        for rule in rules
        if rule.code not in used
    }
    joined = _join(files, num_rows)
    _refuse_duplicates(table, joined)
    array = np.frombuffer(codes, np.uint8).reshape(num_rows, -1)
    unmet |= _absent(table, columns, array)
    return Collected(
        files=joined,
        codes=array,
        texts=tuple(_join(column, num_rows) for column in texts),
        unmet=unmet,
        zero=negatives.zero(),
        minus_one=negatives.minus_one(),
    )


def _meanings(rules: Sequence[Rule]) -> bytes:
    table = bytearray(range(256))
    table[MINUS_ONE] = 0
    for rule in rules:
        table[rule.code] = rule.meaning
    return bytes(table)


class _Negatives:
    """Which columns write a negative label as 0, and which as -1: a file that does both has to be explained."""

    def __init__(self, table: Table, columns: Columns) -> None:
        self._table, self._columns = table, columns
        self._plain = np.array([attribute.is_plain for attribute in columns.attributes], bool)
        self._zero = np.zeros(len(columns.attributes), bool)
        self._minus_one = self._zero.copy()

    def check(self, block: NDArray[np.uint8], first_row: int) -> None:
        """Take note of the next rows, [n, A]; refuse 0 beside -1."""
        zero = self._zero | ((block == 0).any(0) & self._plain)
        minus_one = self._minus_one | (block == MINUS_ONE).any(0)
        if zero.any() and minus_one.any():
            self._refuse(block, first_row, zero, minus_one)
        self._zero, self._minus_one = zero, minus_one

    def check_left_out(self) -> None:
        """Refuse -1 where a column of labels that was not chosen writes 0: the file then means something else by -1."""
        if not self._minus_one.any():
            return
        read = {attribute.position for attribute in self._columns.attributes if attribute.is_plain} | {
            self._columns.key,
            *self._columns.texts,
        }
        names = enumerate(self._table.header)
        places = [place for place, name in names if place not in read and not INDEX_NAMES.fullmatch(name)]
        if not places:
            return
        cells, seen = label_cells(), {place: set[int]() for place in places}
        for row in self._table.rows():
            for place in list(seen):
                if place < len(row) and cells.allow(row[place]):
                    seen[place].add(cells[row[place]])
                else:
                    del seen[place]
            if not seen:
                return
        other = next((place for place, codes in seen.items() if 0 in codes), None)
        if other is not None:
            name = self._columns.names[int(np.argmax(self._minus_one))]
            raise DataError(
                f"{self._table.name}: {self._table.header[other]}, which is no attribute, writes a negative label as 0, and {name} as -1; "
                f"{SAY}"
            )

    def zero(self) -> str | None:
        """Return a column that writes a negative label as 0."""
        return self._columns.names[int(np.argmax(self._zero))] if self._zero.any() else None

    def minus_one(self) -> str | None:
        """Return a column that writes it as -1."""
        return self._columns.names[int(np.argmax(self._minus_one))] if self._minus_one.any() else None

    def _refuse(self, block: NDArray[np.uint8], first_row: int, zero: NDArray[np.bool_], minus_one: NDArray[np.bool_]) -> None:
        names, both = self._columns.names, np.flatnonzero(zero & minus_one).tolist()
        if not both:
            one, other = names[int(np.argmax(zero))], names[int(np.argmax(minus_one))]
            raise DataError(f"{self._table.name}: {one} writes a negative label as 0, and {other} as -1; {SAY}")
        row, column = min((self._first_conflict(block[:, column], column), column) for column in both)
        here, before = (-1, 0) if block[row, column] == MINUS_ONE else (0, -1)
        where = f"{self._table.name}, {self._table.where(first_row + row)}"
        raise DataError(f"{where}: {names[column]} is {here}, and {before} in an earlier row; {SAY}")

    def _first_conflict(self, cells: NDArray[np.uint8], column: int) -> int:
        zero = np.logical_or.accumulate(cells == 0) | self._zero[column]
        minus_one = np.logical_or.accumulate(cells == MINUS_ONE) | self._minus_one[column]
        return int(np.argmax(zero & minus_one))


def _absent(table: Table, columns: Columns, codes: NDArray[np.uint8]) -> dict[str, str]:
    """Return the categories and words that no cell holds: a typo would make a task without a positive label."""
    absent: dict[str, str] = {}
    for place, attribute in enumerate(columns.attributes):
        if isinstance(attribute.cells, Category | Word) and not (codes[:, place] == 1).any():
            column = table.header[attribute.position]
            operand = attribute.name[len(column) + 1 :]
            cells = (row[attribute.position].strip() for row in table.head() if len(row) == len(table.header))
            held = sorted({word for cell in cells for word in (words_of(cell) if isinstance(attribute.cells, Word) else [cell])} - {""})
            listed = ", ".join(held[:8]) + (", …" if len(held) > 8 else "")
            absent[attribute.name] = (
                f"--columns {attribute.name!r}: no cell of {column} is {operand!r}{did_you_mean(operand, held)} "
                f"({column} has {listed or 'no cells'})"
            )
    return absent


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
    while plain.startswith(("./", ".\\")):
        plain = plain[2:]
    if not plain:
        raise DataError(f"{table.name}, {table.where(row)}: names no image")
    if CONTROL.search(plain):
        raise DataError(f"{table.name}, {table.where(row)}: image {plain[:60]!r} has control characters in its name; rename it")
    if leads_out(plain):
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
