"""What a cell may hold, and what it means: one byte per cell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shards.annotations import NOT_LABELLED, SPLITS
from shards.errors import ConfigurationError

MINUS_ONE = 3
"""Code of a cell that holds -1: a negative label. It is kept apart from 0 until the file is known not to hold both."""
NO_LABEL = NOT_LABELLED % 256
"""Code of a cell without a label, as a byte."""
_FIRST_RULE = 16
"""Code of the first cell that `--values` names; the next has the next. So it is known which of them occur."""
_MOST_RULES = 64

_MAX_SPELLINGS = 256
_WHOLE = re.compile(r"(-?[0-9]+)\.0*")


class Cells(dict[str, int]):
    """The code of every cell that a kind of column may hold. Blanks around a cell and its case make no difference."""

    def __init__(self, codes: Mapping[str, int], *, expected: str) -> None:
        """Take the codes by their plain spelling (trimmed, lower case), and what messages say is expected."""
        super().__init__(codes)
        self.expected = expected
        self.numbers = {int(cell): code for cell, code in codes.items() if re.fullmatch("-?[0-9]+", cell)}
        """The same for cells that are numbers already."""

    def code_of(self, cell: str) -> int:
        """Return the code of a cell in a spelling that is not known yet.

        Raises:
            KeyError: The column may not hold it.
        """
        plain = cell.strip().lower()
        # 1.0: how pandas writes whole numbers of a column with gaps.
        whole = _WHOLE.fullmatch(plain)
        code = self.get(plain if whole is None or plain in self else whole[1])
        if code is None:
            raise KeyError(cell)
        return code

    def allow(self, cell: str) -> bool:
        """Return whether a column may hold this cell."""
        try:
            self[cell]
        except KeyError:
            return False
        return True

    def __missing__(self, cell: str) -> int:
        """Return the code of another spelling."""
        code = self.code_of(cell)
        # A file repeats the same few spellings millions of times.
        if len(self) < _MAX_SPELLINGS:
            self[cell] = code
        return code


@dataclass(frozen=True, slots=True)
class Rule:
    """What `--values` says of one cell."""

    cell: str
    """Trimmed, lower case."""
    text: str
    """As it was given."""
    meaning: int
    """1, 0 or `NO_LABEL`."""
    code: int
    """Of such a cell, until the whole file is read."""


_MEANINGS = {"1": 1, "0": 0, "unlabelled": NO_LABEL}


def parse_rules(values: Sequence[str]) -> tuple[Rule, ...]:
    """Return what `--values` says: `CELL=1`, `CELL=0` or `CELL=unlabelled`, each cell once.

    Raises:
        ConfigurationError: It says something else.

    >>> [(rule.cell, rule.meaning) for rule in parse_rules(["-1=unlabelled", "Male=1"])]
    [('-1', 255), ('male', 1)]
    """
    rules: list[Rule] = []
    for number, text in enumerate(values):
        cell, equals, meaning = text.rpartition("=")
        if not equals or meaning.strip().lower() not in _MEANINGS:
            raise ConfigurationError(f"--values {text!r}: expected CELL=1, CELL=0 or CELL=unlabelled, for example -1=unlabelled")
        plain = cell.strip().lower()
        whole = _WHOLE.fullmatch(plain)
        plain = whole[1] if whole else plain
        if plain in (rule.cell for rule in rules):
            raise ConfigurationError(f"--values: says twice what a cell {cell.strip()!r} is")
        if number == _MOST_RULES:
            raise ConfigurationError(f"--values: says what {len(values)} cells are, at most {_MOST_RULES} are allowed")
        rules.append(Rule(plain, text, _MEANINGS[meaning.strip().lower()], _FIRST_RULE + number))
    return tuple(rules)


_LABELS = {"0": 0, "1": 1, "-1": MINUS_ONE, "false": 0, "true": 1, "no": 0, "yes": 1, "n": 0, "y": 1, "": NO_LABEL}


def label_cells(rules: Sequence[Rule] = ()) -> Cells:
    """Return the cells of a column that is an attribute as it stands."""
    given = {rule.cell: rule.code for rule in rules}
    said = f"{', '.join(repr(rule.cell) for rule in rules)}, " if rules else ""
    return Cells(_LABELS | given, expected=f"{said}0 or 1, -1 or 1, true or false, yes or no, or nothing where there is no label")


class _Derived(Cells):
    """Cells of an attribute that is made of a column of another kind; there is no label where they are empty or `--values` says so."""

    def __init__(self, operand: str, rules: Sequence[Rule], *, expected: str) -> None:
        super().__init__({"": NO_LABEL} | {rule.cell: rule.code for rule in rules if rule.meaning == NO_LABEL}, expected=expected)
        self.numbers = {}
        self._operand = operand

    def code_of(self, cell: str) -> int:
        plain = cell.strip()
        known = self.get(plain.lower())
        return self._judge(plain) if known is None else known

    def _judge(self, cell: str) -> int:
        raise NotImplementedError


class Category(_Derived):
    """1 where the cell is the category, 0 where it is another."""

    def __init__(self, category: str, rules: Sequence[Rule]) -> None:
        """Take the category as cells spell it."""
        super().__init__(category, rules, expected="a category")

    def _judge(self, cell: str) -> int:
        return int(cell.casefold() == self._operand.casefold())


class Word(_Derived):
    """1 where the word is among those of the cell, which `|` separates, else 0."""

    def __init__(self, word: str, rules: Sequence[Rule]) -> None:
        """Take the word as cells spell it."""
        super().__init__(word, rules, expected="words that | separates")

    def _judge(self, cell: str) -> int:
        return int(self._operand.casefold() in words_of(cell.casefold()))


def words_of(cell: str) -> list[str]:
    """Return the words of a cell.

    >>> words_of("Mass| Nodule")
    ['Mass', 'Nodule']
    """
    return [word.strip() for word in cell.split("|")]


_COMPARISONS = {
    ">=": lambda number, bound: number >= bound,
    "<=": lambda number, bound: number <= bound,
    ">": lambda number, bound: number > bound,
    "<": lambda number, bound: number < bound,
}
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Bound(_Derived):
    """1 where the cell's number is on the wanted side of a bound, else 0."""

    def __init__(self, operator: str, bound: str, rules: Sequence[Rule]) -> None:
        """Take the comparison, for example `>=` and `50`.

        Raises:
            ValueError: The bound is no number.
        """
        super().__init__(bound, rules, expected="a number, or nothing where there is no label")
        self._compare, self._bound = _COMPARISONS[operator], number_of(bound)

    def _judge(self, cell: str) -> int:
        try:
            return int(self._compare(number_of(cell), self._bound))
        except ValueError:
            raise KeyError(cell) from None


def number_of(cell: str) -> float:
    """Return the number in a cell.

    Raises:
        ValueError: It holds none; `nan` and `inf` are none.
    """
    if not _NUMBER.fullmatch(cell.strip()):
        raise ValueError(f"{cell!r} is no number")
    return float(cell)


SPLIT_WORDS = {split: code for code, split in enumerate(SPLITS)} | {
    "training": 0,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "testing": 2,
}
"""Words that name a split, wherever they stand."""
SPLIT_CELLS = Cells({"0": 0, "1": 1, "2": 2} | SPLIT_WORDS, expected=f"0, 1 or 2 ({', '.join(SPLITS)})")

FLAG_HEADERS = {
    name: codes
    for names, codes in (
        (("train", "training", "is_train", "is_training", "is_training_image", "istrain"), (2, 0)),
        (("val", "valid", "validation", "is_val", "is_valid", "is_validation", "isval"), (0, 1)),
        (("test", "testing", "is_test", "is_testing", "istest"), (0, 2)),
    )
    for name in names
}
"""Header of a column that says yes or no of one split -> split codes of no and yes."""


def flag_cells(header: str) -> Cells | None:
    """Return the cells of such a column, or None if the header is another."""
    codes = FLAG_HEADERS.get(header.strip().lower())
    if codes is None:
        return None
    no, yes = codes
    words = {"0": no, "false": no, "no": no, "n": no, "1": yes, "true": yes, "yes": yes, "y": yes}
    return Cells(words, expected="0 or 1: the column says yes or no")
