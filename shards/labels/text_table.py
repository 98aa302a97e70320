"""Tables in text: CelebA's own files, CSV, and the same with semicolons, tabs or blanks, told apart by what splits all rows alike.

A first line that is a count announces the number of rows, as in CelebA's and DeepFashion's files; `sep=;` names the separator, as Excel
has it. Quoting is that of RFC 4180.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter

from shards.errors import DataError
from shards.labels.columns import plain_cells_of
from shards.labels.hints import wrong_cell
from shards.labels.table import HEAD_ROWS, Chunk, Columns
from shards.labels.text_file import TextFile

_ROWS_PER_CHUNK = 256
"""Python's collector of garbage begins to look through rows when more of them are held at once."""
_MAX_DIGITS = 12
_BLANKS = ""
"""The separator of rows that any run of blanks separates."""
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", _BLANKS: "blanks"}
_SAMPLE_ROWS = 20
_QUOTED = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_ATTRIBUTE_LIST = "list_attr_cloth.txt"
_KEY_WORDS = {"image", "images", "img", "file", "filename", "name", "path", "photo", "picture", "id"}
"""Words in the name of a column of images."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the lines of a file are to be read."""

    separator: str
    skipped: int
    """Lines before the header: a count, or the name of the separator."""
    announced: int | None
    """Number of rows, from the first line."""


class TextTable:
    """A text table, not read yet but for its first rows."""

    image_column: str | None = None

    def __init__(self, file: TextFile, *, is_header: Callable[[Sequence[str]], bool] | None = None) -> None:
        """Find out how the file is to be read.

        Args:
            file: The file.
            is_header: Tells a header from a first row; by default there is a header.

        Raises:
            DataError: The file cannot be read, or is no table.
        """
        self.file, self.name = file, file.name
        self._layout = _find_layout(file)
        first = next(self._records(), [])
        self.has_header = bool(first) and (is_header is None or is_header(first))
        second = next(islice(self._records(), 1, None), first) if self.has_header else first
        self.names_key = self._layout.announced is None or not self.has_header or _names_images(first, second)
        names = self._names(first, second) if self.names_key else ["", *first]
        self.header = tuple(name.strip() for name in names)
        self.num_cells = len(self.header)
        self.where_header = f"{self.name}, line {self._layout.skipped + 1}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed of the format."""
        usual = (",",) if self._layout.announced is None and self.has_header else (",", _BLANKS)
        separator = self._layout.separator
        return () if separator in usual else (f"separator: {_SEPARATORS.get(separator, separator)}",)

    def head(self) -> list[list[str]]:
        """Return the first rows."""
        return list(islice(self._records(), int(self.has_header), int(self.has_header) + HEAD_ROWS))

    def rows(self) -> Iterator[list[str]]:
        """Yield all rows."""
        num_rows = 0
        for row in islice(self._records(), int(self.has_header), None):
            num_rows += 1
            yield row
        self._check_announced(num_rows)

    def where(self, row: int) -> str:
        """Return what messages call a row."""
        return f"line {self._line_of(row + self.has_header)}"

    def chunks(self, columns: Columns) -> Iterator[Chunk]:
        """Yield all rows of some columns.

        Raises:
            DataError: A row is not as the table wants it.
        """
        records, codes_of = islice(self._records(), int(self.has_header), None), _encoder(columns)
        num_rows = 0
        # Many rows at once: what is done to each alone costs more than what is done to all of them.
        while rows := list(islice(records, _ROWS_PER_CHUNK)):
            if {*map(len, rows)} != {self.num_cells}:
                raise self._first_error(num_rows, rows, columns)
            try:
                codes = bytes(codes_of(rows))
            except KeyError as error:
                raise self._first_error(num_rows, rows, columns) from error
            yield Chunk([row[columns.key] for row in rows], codes, tuple([row[place] for row in rows] for place in columns.texts))
            num_rows += len(rows)
        self._check_announced(num_rows)

    def _check_announced(self, num_rows: int) -> None:
        announced = self._layout.announced
        if announced is not None and 0 < num_rows != announced:
            raise DataError(f"{self.name}: line 1 announces {announced} images, the file has {num_rows} rows; get a whole copy")

    def _names(self, first: Sequence[str], second: Sequence[str]) -> Sequence[str]:
        """Return the header's names; DeepFashion keeps those of its attributes in a file of their own."""
        if not self.has_header:
            return [""] * len(first)
        if self._layout.announced is None or len(first) == len(second):
            return first
        names = self.file.path.with_name(_ATTRIBUTE_LIST)
        if not names.exists():
            raise DataError(
                f"{self.name}, line 2: the header has two names, {first[0]!r} and {first[1]!r}, and the rows {len(second) - 1} values; "
                f"DeepFashion keeps the names of the attributes in {_ATTRIBUTE_LIST}: put it beside"
            )
        lines = [line.rstrip() for line in TextFile(names, str(names)).lines()]
        # A count, a header, then a name and a number for its kind; names have blanks in them.
        return [first[0], *(line.rpartition(" ")[0].strip() for line in lines[2:] if line.strip())]

    def _records(self) -> Iterator[list[str]]:
        """Yield header and rows."""
        layout = self._layout
        lines = islice(self.file.lines(), layout.skipped, None)
        return self._split_at_blanks(lines) if layout.separator == _BLANKS else self._parse_csv(lines)

    def _split_at_blanks(self, lines: Iterator[str]) -> Iterator[list[str]]:
        number = self._layout.skipped
        for line in lines:
            number += 1
            # R quotes every text, with blanks in it or without.
            row = line.split() if '"' not in line else [text.replace('""', '"') or word for text, word in _QUOTED.findall(line)]
            if not row:
                self.file.check_blank(lines, number)
                return
            yield row

    def _parse_csv(self, lines: Iterator[str]) -> Iterator[list[str]]:
        reader = csv.reader(lines, delimiter=self._layout.separator, strict=True, skipinitialspace=True)
        number = 0
        try:
            for record in reader:
                if not any(cell.strip() for cell in record):
                    # Spreadsheets end with rows of empty cells.
                    blank = reader.line_num + self._layout.skipped
                    if any(cell.strip() for rest in reader for cell in rest):
                        raise DataError(f"{self.name}, line {blank}: is blank, and more rows follow; remove the line")
                    return
                number += 1
                yield record
        except csv.Error as error:
            raise DataError(f"{self.name}, line {self._line_of(number)}: is not valid CSV ({error})") from error

    def _line_of(self, record: int) -> int:
        """Return the line on which a record begins; quoted cells may go over several."""
        skipped, separator = self._layout.skipped, self._layout.separator
        if separator == _BLANKS:
            return skipped + record + 1
        reader = csv.reader(islice(self.file.lines(), skipped, None), delimiter=separator, strict=True, skipinitialspace=True)
        for _ in islice(reader, record):
            pass
        return skipped + reader.line_num + 1

    def _first_error(self, first_row: int, rows: Sequence[Sequence[str]], columns: Columns) -> DataError:
        """Return what is wrong with the first of these rows that is."""
        for number, row in enumerate(rows, first_row):
            if len(row) != self.num_cells:
                return self._wrong_length(number, row)
            if not all(attribute.cells.allow(row[attribute.position]) for attribute in columns.attributes):
                return self._wrong_cell(number, row, columns)
        raise AssertionError("no row is wrong")

    def _wrong_length(self, number: int, row: Sequence[str]) -> DataError:
        values = f"{self.num_cells - 1} {'value' if self.num_cells == 2 else 'values'}"
        return DataError(f"{self.name}, {self.where(number)}: expected a file name and {values}, got {len(row) - 1}")

    def _wrong_cell(self, number: int, row: Sequence[str], columns: Columns) -> DataError:
        wrong = next(attribute for attribute in columns.attributes if not attribute.cells.allow(row[attribute.position]))
        column = self.header[wrong.position]
        return wrong_cell(self.name, self.where(number), column, row[wrong.position], wrong.cells)


def _names_images(header: Sequence[str], row: Sequence[str]) -> bool:
    """Tell whether a header below a count begins with a name for the column of images; in CelebA's own file it begins with an attribute.

    As many names as cells are not enough: in an official file with one name too many, every label would move to the next attribute.
    """
    begins = bool(_KEY_WORDS & set(re.split(r"[\W_]+", header[0].lower())))
    return begins and (len(header) == len(row) or len(header) == 2)


def _encoder(columns: Columns) -> Callable[[list[list[str]]], Iterator[int]]:
    """Return what gives the codes of rows, one after the other."""
    cells, places = plain_cells_of(columns), [attribute.position for attribute in columns.attributes]
    if cells is None:
        pairs = [(attribute.cells, attribute.position) for attribute in columns.attributes]
        return lambda rows: (its[row[place]] for row in rows for its, place in pairs)
    pick, code_of = _picker(places), cells.__getitem__
    return lambda rows: map(code_of, chain.from_iterable(map(pick, rows)))


def _picker(places: Sequence[int]) -> Callable[[list[str]], Sequence[str]]:
    first, last = places[0], places[-1]
    # A slice costs a tenth of picking cells one by one; it also covers the single cell that `itemgetter` would return bare.
    if list(places) == list(range(first, last + 1)):
        return itemgetter(slice(first, last + 1))
    return itemgetter(*places)


def _find_layout(file: TextFile) -> _Layout:
    lines = file.lines()
    head = next(lines, "").rstrip("\r\n")
    first = head.strip()
    given, announced = "", None
    if first.lower().startswith("sep=") and len(first) <= 5:
        given = first[4:] or "\t"
        if given == '"' or (given != "\t" and not given.isprintable()):
            raise DataError(f"{file.name}, line 1: names {given!r} as the separator of cells; use a comma, a semicolon or a tab")
    elif first.isascii() and first.isdigit() and len(first) <= _MAX_DIGITS:
        announced = int(first)
    skipped = int(bool(given) or announced is not None)
    sample = [*([] if skipped else [head]), *(line.rstrip("\r\n") for line in islice(lines, _SAMPLE_ROWS))]
    sample = sample[: next((place for place, line in enumerate(sample) if not line.strip()), len(sample))]
    if not sample and not first:
        raise DataError(f"{file.name}, line 1: is blank, expected a header; remove the line")
    if announced is not None and not sample:
        raise DataError(f"{file.name}: ends before the line of attribute names; get a whole copy")
    return _Layout(given or _separator(file, sample, skipped, has_count=announced is not None), skipped, announced)


def _separator(file: TextFile, sample: Sequence[str], skipped: int, *, has_count: bool) -> str:
    """Return what splits header and first rows into equally many cells, two or more."""
    fits = {separator: _fit(separator, sample, has_count=has_count) for separator in _SEPARATORS}
    best = max(fits.values())
    winners = [separator for separator in fits if fits[separator] == best]
    marks = [separator for separator in winners if separator != _BLANKS]
    if best == 1 and len(marks) > 1 and len(sample) > 1:
        names = " and ".join(_SEPARATORS[separator] for separator in marks)
        raise DataError(f"{file.name}: {names} both split its rows alike; begin the file with a line sep={marks[0]} or the like")
    if best > 0:
        # CelebA's own files pad with blanks and tabs.
        return _BLANKS if has_count and _BLANKS in winners else (marks or winners)[0]
    if "," in sample[0]:
        return ","
    if len(sample[0].split()) > 1:
        return _BLANKS
    raise DataError(
        f"{file.name}, line {skipped + 1}: expected a header with the names of the columns, separated by commas, semicolons, tabs or "
        f"blanks, or the number of images (official file), got {sample[0][:60]!r}"
    )


def _fit(separator: str, sample: Sequence[str], *, has_count: bool) -> float:
    """Return the share of rows, 0 to 1, with as many cells as the header; below a count it may lack the name of the images' column."""
    if separator == _BLANKS:
        records = [line.split() for line in sample]
    else:
        try:
            records = list(csv.reader(sample, delimiter=separator, skipinitialspace=True))
        except csv.Error:
            return 0.0
    head, *rows = records or [[]]
    if separator == "\t" and "\t" not in sample[0].strip():
        # Blanks at the ends of the lines.
        return 0.0
    if len(head) < (1 if has_count and (not rows or len(rows[0]) == 2) else 2):
        return 0.0
    if not rows:
        # A header alone: whatever splits it.
        return 0.5 if separator != _BLANKS else 0.25
    wanted = len(head)
    if has_count and (len(rows[0]) == wanted + 1 or (separator == _BLANKS and head[0] == "image_name")):
        # CelebA's header does not name the images, DeepFashion's has two names for any number of values.
        wanted = len(rows[0])
    return sum(len(row) == wanted for row in rows) / len(rows)
