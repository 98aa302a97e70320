"""Which columns of an annotation file are read, and what their cells may hold."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shards.annotations import NOT_LABELLED, SPLITS
from shards.errors import ConfigurationError, DataError, did_you_mean

MINUS_ONE = 3
"""Code of a cell that holds -1: a negative label. It is kept apart from 0 until the column is known not to hold both."""
NO_LABEL = NOT_LABELLED % 256
"""Code of an empty cell, as a byte."""

MAX_NAME_CHARACTERS = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that would break a message or a report into lines, or do worse to a terminal."""

_MAX_SPELLINGS = 256


class Cells(dict[str, int]):
    """The code, one byte, of every cell that a kind of column may hold. Blanks around a cell and its case make no difference."""

    def __init__(self, codes: Mapping[str, int], *, expected: str) -> None:
        """Take the codes by their plain spelling (trimmed, lower case), and what messages say is expected."""
        super().__init__(codes)
        self.expected = expected
        self.numbers = {int(cell): code for cell, code in codes.items() if re.fullmatch("-?[0-9]+", cell)}
        """The same for cells that are numbers already."""

    def allow(self, cell: str) -> bool:
        """Return whether a column may hold this cell, in whatever spelling."""
        return cell in self or cell.strip().lower() in self

    def __missing__(self, cell: str) -> int:
        """Return the code of another spelling; `KeyError` if it is none."""
        plain = cell.strip().lower()
        if plain == cell:
            raise KeyError(cell)
        code = self[plain]
        # A file that pads its cells repeats the same few spellings millions of times.
        if len(self) < _MAX_SPELLINGS:
            self[cell] = code
        return code


LABEL_CELLS = Cells(
    # 1.0: how pandas writes whole numbers of a column with gaps.
    {"0": 0, "1": 1, "-1": MINUS_ONE, "0.0": 0, "1.0": 1, "-1.0": MINUS_ONE, "false": 0, "true": 1, "": NO_LABEL},
    expected="0 or 1, -1 or 1, true or false, or nothing where there is no label; --columns can leave out a column that is no label",
)
OFFICIAL_LABEL_CELLS = Cells({"-1": MINUS_ONE, "1": 1}, expected="-1 or 1")
SPLIT_CELLS = Cells(
    {"0": 0, "1": 1, "2": 2} | {split: code for code, split in enumerate(SPLITS)} | {"valid": 1, "validation": 1},
    expected=f"0, 1 or 2 ({', '.join(SPLITS)})",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What the user asked for; by default the first column names the image and all others are labels."""

    key_column: str | None = None
    """Column of the image files."""
    columns: tuple[str, ...] = ()
    """Label columns, in this order; empty: all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The columns that are read."""

    key: int
    """Position of the column of image files."""
    positions: tuple[int, ...]
    """[A] positions of the label columns."""
    names: tuple[str, ...]
    """[A] their names."""


def select(header: Sequence[str], selection: Selection, *, file: str, where: str) -> Columns:
    """Find the columns to be read in a header.

    Args:
        header: Names of all columns.
        selection: What the user asked for.
        file: What messages call the file.
        where: What messages call the header.

    Raises:
        ConfigurationError: The selection names a column that does not exist, or one twice.
        DataError: A name is missing, empty, too long, given twice or holds control characters.
    """
    names = [name.strip() for name in header]
    counts = Counter(names)
    key = 0
    if selection.key_column is not None:
        _check_is_one(counts, selection.key_column, file=file, flag="--key-column")
        key = names.index(selection.key_column)
    wanted = Counter(selection.columns)
    for name, times in wanted.items():
        _check_is_one(counts, name, file=file, flag="--columns")
        if name == names[key]:
            raise ConfigurationError(f"--columns: {name!r} is the column of image files of {file}; leave it out")
        if times > 1:
            raise ConfigurationError(f"--columns: names {name!r} twice")
    # Names that nobody asked for may be as they like.
    at = {name: position for position, name in enumerate(names)}
    positions = tuple(at[name] for name in selection.columns) or tuple(position for position in range(len(names)) if position != key)
    picked = tuple(names[position] for position in positions)
    _check_names(picked, names, where)
    return Columns(key=key, positions=positions, names=picked)


def _check_is_one(counts: Counter[str], name: str, *, file: str, flag: str) -> None:
    if not counts[name]:
        raise ConfigurationError(f"{flag}: {file} has no column {name!r}{did_you_mean(name, counts)}")
    if counts[name] > 1:
        raise DataError(f"{file}: column {name!r} is named twice; rename or remove one")


def _check_names(picked: Sequence[str], names: Sequence[str], where: str) -> None:
    if not picked or not all(picked):
        raise DataError(f"{where}: the header names no attributes, or an empty one")
    if all(name.lower() in LABEL_CELLS for name in picked):
        raise DataError(f"{where}: holds values, expected a header with the names of the columns; add one")
    counts = Counter(names)
    for name in picked:
        if CONTROL.search(name):
            raise DataError(f"{where}: attribute {name[:60]!r} holds control characters; rename it")
        if len(name) > MAX_NAME_CHARACTERS:
            raise DataError(f"{where}: attribute {name[:60]!r}… has {len(name)} characters, at most {MAX_NAME_CHARACTERS} are allowed")
        if counts[name] > 1:
            raise DataError(f"{where}: attribute {name} is named twice; rename or remove one")
