"""Rows of cells out of a text file, a few thousand at a time, whatever separates them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from shards.errors import DataError
from shards.labels.collector import Chunk
from shards.labels.columns import Cells, Columns

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_LINE_BYTES = 2**20
_ROWS_PER_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class TextFile:
    """A UTF-8 file that is read line by line, and again where an error needs it."""

    path: Path
    name: str
    """What messages call it."""

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends, without the byte order mark.

        Raises:
            DataError: The file cannot be read, is not UTF-8, or has a line of more than 1 MiB.
        """
        number = 0
        try:
            with self.path.open("rb") as file:
                if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
                    file.seek(0)
                for number, line in enumerate(iter(partial(file.readline, _MAX_LINE_BYTES), b""), start=1):
                    if len(line) == _MAX_LINE_BYTES:
                        raise DataError(f"{self.name}, line {number}: is longer than 1 MiB; this is no annotation file")
                    yield line.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.name}, line {number}: is not UTF-8 text; convert the file") from error
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read ({error.strerror})") from error

    def check_blank(self, lines: Iterator[str], number: int) -> None:
        """Refuse the blank line of this number if one that is not blank follows."""
        if any(line.strip() for line in lines):
            raise DataError(f"{self.name}, line {number}: is blank, and more rows follow; remove the line")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTable:
    """The rows of a text file, not read yet."""

    file: TextFile
    columns: Columns
    num_cells: int
    """Cells that each row must have."""
    cells: Cells
    rows: Callable[[], Iterator[list[str]]]
    """Starts at the first row behind the header."""
    line_of: Callable[[int], int]
    """Line of a row, both counted as they are: lines from 1, rows from 0. It may read the file again."""

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self.file.name

    def where(self, row: int) -> str:
        """Return what messages call a row."""
        return f"line {self.line_of(row)}"

    def chunks(self) -> Iterator[Chunk]:
        """Yield all rows.

        Raises:
            DataError: A row is not as the table wants it.
        """
        key, pick, code_of = self.columns.key, _picker(self.columns.positions), self.cells.__getitem__
        files: list[str] = []
        codes = bytearray()
        for number, row in enumerate(self.rows()):
            if len(row) != self.num_cells:
                raise self._wrong_length(number, row)
            files.append(row[key])
            try:
                codes.extend(map(code_of, pick(row)))
            except KeyError as error:
                raise self._wrong_cell(number, row) from error
            if len(files) == _ROWS_PER_CHUNK:
                yield Chunk(files, codes)
                files, codes = [], bytearray()
        if files:
            yield Chunk(files, codes)

    def _wrong_length(self, number: int, row: Sequence[str]) -> DataError:
        values = f"{self.num_cells - 1} {'value' if self.num_cells == 2 else 'values'}"
        return DataError(f"{self.name}, {self.where(number)}: expected a file name and {values}, got {len(row) - 1}")

    def _wrong_cell(self, number: int, row: Sequence[str]) -> DataError:
        picked = zip(self.columns.names, self.columns.positions, strict=True)
        name, cell = next((name, row[position]) for name, position in picked if not self.cells.allow(row[position]))
        return wrong_cell(self.name, self.where(number), name, cell, self.cells)


def wrong_cell(file: str, where: str, column: str, value: object, cells: Cells) -> DataError:
    """Return the error for a cell that holds what it may not."""
    hint = f"; if it names the image: --key-column {column}" if str(value).lower().endswith((".jpg", ".jpeg")) else ""
    return DataError(f"{file}, {where}: {column} is {str(value)[:60]!r}, expected {cells.expected}{hint}")


def _picker(positions: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    first, last = positions[0], positions[-1]
    # A slice costs a tenth of picking cells one by one; it also covers the single cell that `itemgetter` would return bare.
    if tuple(positions) == tuple(range(first, last + 1)):
        return itemgetter(slice(first, last + 1))
    return itemgetter(*positions)
