"""What the user asked for: which columns name the image, are labels or neither, and the forms that make attributes of a column's cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shards.errors import ConfigurationError, by_spaces, did_you_mean
from shards.labels.cells import NO_LABEL, Rule, canonical, parse_rules, words_of
from shards.labels.table import Table

_OPERATORS = re.compile(r">=|<=|>|<|=|~")
_MOST_CATEGORIES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What the user asked for; by default one column names the image and all others are labels."""

    key_column: str | None = None
    """Column of the image files."""
    columns: tuple[str, ...] = ()
    """Label columns and forms such as `race=*`, in this order; empty: all columns."""
    drop_columns: tuple[str, ...] = ()
    """Columns that are no labels."""
    values: tuple[str, ...] = ()
    """What cells are, `CELL=1`, `CELL=0` or `CELL=unlabelled`."""
    split_column: str | None = None
    """Column that holds the split."""
    group_column: str | None = None
    """Column of what must not be in two splits."""

    def rules(self) -> tuple[Rule, ...]:
        """Return `values`, parsed."""
        return parse_rules(self.values)

    def with_categories(self, tables: Sequence[Table]) -> "Selection":
        """Return the selection with every `COLUMN=*` and `COLUMN~*` written out, for all tables together.

        Raises:
            ConfigurationError: There are too many, or none.
        """
        return replace(self, columns=tuple(name for text in self.columns for name in _written_out(text, tables, self.rules())))

    def texts(self) -> tuple[str, ...]:
        """Return the columns whose cells are wanted as they are."""
        return tuple(name for name in (self.split_column, self.group_column) if name is not None)


def parse_form(text: str, table: Table) -> tuple[str, str, str]:
    """Return column, operator and operand of an attribute that is made of another column's cells.

    Args:
        text: `race=Black`, `age>=50` or `Finding~*`.
        table: Where the column is.

    Raises:
        ConfigurationError: There is no such column.
    """
    splits = [(text[: found.start()].strip(), found[0], text[found.end() :].strip()) for found in _OPERATORS.finditer(text)]
    fitting = [split for split in splits if split[0] in table.header]
    if not fitting:
        column = splits[0][0] if splits else text
        hint = by_spaces([column], table.header) or did_you_mean(column, table.header)
        raise ConfigurationError(f"--columns: {table.name} has no column {column!r}{hint}")
    # A column may have an operator in its name: the longest name is meant.
    return max(fitting, key=lambda split: (len(split[0]), len(split[1])))


def _written_out(text: str, tables: Sequence[Table], rules: Sequence[Rule]) -> list[str]:
    if not text.endswith("*") or text in tables[0].header:
        return [text]
    column, operator, operand = parse_form(text, tables[0])
    if operand != "*" or operator not in ("=", "~"):
        return [text]
    names = [f"{column}{operator}{category}" for category in categories(tables, column, operator, rules)]
    taken = next((name for name in names if any(name in table.header for table in tables)), None)
    if taken is not None:
        raise ConfigurationError(f"--columns {text!r}: makes an attribute {taken!r}, and there is a column of that name; rename the column")
    return names


def categories(tables: Sequence[Table], column: str, operator: str, rules: Sequence[Rule]) -> list[str]:
    """Return what the cells of a column hold, each category or word once.

    Args:
        tables: Where the column may be.
        column: Its name.
        operator: `=` for categories, `~` for words.
        rules: What cells mean; those without a label make none.

    Raises:
        ConfigurationError: There are too many or none, or a word seems to be several.
    """
    found: set[str] = set()
    unlabelled = {rule.cell for rule in rules if rule.meaning == NO_LABEL} | {""}
    for table in tables:
        place = table.header.index(column) if column in table.header else -1
        for row in table.rows() if place >= 0 else ():
            cell = row[place].strip() if len(row) == len(table.header) else ""
            if canonical(cell) not in unlabelled:
                found.update(words_of(cell) if operator == "~" else [cell])
            if len(found) > _MOST_CATEGORIES:
                raise ConfigurationError(
                    f"--columns: {column}{operator}* would make more than {_MOST_CATEGORIES} attributes, {min(found)[:40]!r} among them; "
                    "name those that are wanted"
                )
    # Case and the like make no difference, as in all cells.
    once = {canonical(cell): cell for cell in sorted(found - {""}, key=lambda cell: (len(cell), cell), reverse=True)}
    parts = {canonical(part): word for word in once.values() for part in re.split("[;,]", word) if part != word} if operator == "~" else {}
    mixed = next((parts[part] for part in parts if part in once), None)
    if mixed is not None:
        raise ConfigurationError(f"--columns: {column}~*: {mixed[:60]!r} seems to hold several words; write | between them")
    if not once:
        raise ConfigurationError(f"--columns: {column}{operator}* makes no attribute: the column is empty")
    return sorted(once.values())
