"""What a cell may hold, and what it means: one byte per cell."""

import re
import unicodedata
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
        self.is_label = True
        """Whether flags for label columns could read another cell."""
        self.has_rules = any(_FIRST_RULE <= code < _FIRST_RULE + _MOST_RULES for code in codes.values())
        """Whether `--values` has a say in it."""
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
        plain = canonical(cell)
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
        known = self.get(canonical(cell))
        return self._judge(cell.strip()) if known is None else known

    def _judge(self, cell: str) -> int:
        raise NotImplementedError


class Category(_Derived):
    """1 where the cell is the category, 0 where it is another."""

    def __init__(self, category: str, rules: Sequence[Rule]) -> None:
        """Take the category as cells spell it."""
        super().__init__(category, rules, expected="a category")

    def _judge(self, cell: str) -> int:
        return int(canonical(cell) == canonical(self._operand))


class Word(_Derived):
    """1 where the word is among those of the cell, which `|` separates, else 0."""

    def __init__(self, word: str, rules: Sequence[Rule]) -> None:
        """Take the word as cells spell it."""
        super().__init__(word, rules, expected="words that | separates")

    def _judge(self, cell: str) -> int:
        word = canonical(self._operand)
        if word in map(canonical, words_of(cell)):
            return 1
        if word in map(canonical, re.split("[;,|]", cell)):
            # Separated by something else: 0 would be wrong.
            raise KeyError(cell)
        return 0


def canonical(cell: str) -> str:
    """Return what cells have in common that differ in blanks, case, the form of accents, or in how a whole number is written.

    >>> canonical(" East Asian"), canonical("1.0"), canonical("01")
    ('east asian', '1', '01')
    """
    plain = unicodedata.normalize("NFC", cell.strip()).casefold()
    whole = _WHOLE.fullmatch(plain)
    return whole[1] if whole else plain


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
    if not is_number(cell):
        raise ValueError(f"{cell!r} is no number")
    return float(cell)


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number."""
    return bool(_NUMBER.fullmatch(cell.strip()))


SPLIT_WORDS = {split: code for code, split in enumerate(SPLITS)} | {
    "training": 0,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "testing": 2,
}
"""Words that name a split, wherever they stand."""


class SplitCells(Cells):
    """The cells of a column of splits."""

    def __init__(self, codes: Mapping[str, int], *, expected: str) -> None:
        """Take them as `Cells` does."""
        super().__init__(codes, expected=expected)
        self.is_label = False


SPLIT_CELLS = SplitCells({"0": 0, "1": 1, "2": 2} | SPLIT_WORDS, expected=f"0, 1 or 2 ({', '.join(SPLITS)})")

_NO_AND_YES = {0: (2, 0), 1: (0, 1), 2: (0, 2)}
"""Split that a header names -> split codes of no and yes below it."""


def flag_cells(header: str) -> Cells | None:
    """Return the cells of a column that says yes or no of one split, by its header: `is_train`, `in test`; or None if it is another."""
    words = re.sub(r"^(is|in)(?=train|val|test)", "", header.strip().lower())
    named = {SPLIT_WORDS[word] for word in re.split(r"[\W_]+", words) if word in SPLIT_WORDS}
    if len(named) != 1:
        return None
    no, yes = _NO_AND_YES[named.pop()]
    words = {"0": no, "false": no, "no": no, "n": no, "1": yes, "true": yes, "yes": yes, "y": yes}
    return SplitCells(words, expected="0 or 1: the column says yes or no")
