"""Which columns of a table name the image, which are labels and what their cells mean."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shards.characters import MISLEADING
from shards.errors import ConfigurationError, DataError, by_spaces, did_you_mean
from shards.image.header import IMAGE_SUFFIXES
from shards.labels.cells import (
    Bound,
    Category,
    Cells,
    Rule,
    Word,
    canonical,
    label_cells,
)
from shards.labels.selection import Selection, categories, parse_form
from shards.labels.table import Attribute, Columns, Table

MAX_NAME_CHARACTERS = 200

Means = Callable[[Sequence[str]], NDArray[np.bool_]]
"""Tells of cells whether each of them means a file of the folder of images."""

INDEX_NAMES = re.compile(r"|index|level_0|__index_level_\d+__|Unnamed: ?\d+(\.\d+)*")
"""Headers of the row numbers that pandas writes: none at all, or one of these."""
_MOST_NAMED = 12


def choose_columns(table: Table, selection: Selection, means: Means | None = None) -> Columns:
    """Find the columns to be read.

    Args:
        table: The opened table.
        selection: What the user asked for.
        means: Tells which cells mean a file; without it the header and the cells' looks decide.

    Raises:
        ConfigurationError: The selection names a column that does not exist, or one twice, or a form that cannot be.
        DataError: A name is missing, empty, too long, given twice or holds control characters; or several columns may name the image.
    """
    return _Choice(table, selection, means).columns()


class _Choice:
    def __init__(self, table: Table, selection: Selection, means: Means | None) -> None:
        self._table, self._selection, self._means = table, selection, means
        self._names = table.header
        self._counts = Counter(self._names)
        self._notes: list[str] = []
        width = len(self._names)
        # Rows of another length are refused later, with their line.
        self._head = [row for row in table.head() if len(row) == width]

    def columns(self) -> Columns:
        """Return the chosen columns."""
        selection = self._selection
        for flag, wanted in (
            ("--partition", (selection.split_column,)),
            ("--group-column", (selection.group_column,)),
            ("--drop-columns", selection.drop_columns),
        ):
            for name in wanted:
                if name is not None:
                    self._check_is_one(name, flag)
        key = self._key()
        attributes = tuple(self._chosen(key)) if selection.columns else tuple(self._all(key))
        self._check_names(attributes, key)
        texts = tuple(self._names.index(name) for name in selection.texts())
        return Columns(key=key, attributes=attributes, texts=texts, notes=(*self._table.notes, *self._notes))

    # The column of images.

    def _key(self) -> int:
        wanted = self._selection.key_column
        if not self._table.names_key:
            if wanted is not None:
                raise ConfigurationError(
                    f"--key-column: {self._table.name} is a CelebA attribute file, whose column of images has no name; leave it out"
                )
            return 0
        if wanted is not None:
            if not self._counts[wanted]:
                known = did_you_mean(wanted, self._counts) or self._candidates_in_words()
                raise ConfigurationError(f"--key-column: {self._table.name} has no column {wanted!r}{known}")
            self._check_is_one(wanted, "--key-column")
            return self._names.index(wanted)
        images = self._table.image_column
        if images is not None and (self._means is None or self._share_found(self._names.index(images)) > 0):
            return self._names.index(images)
        taken = {*self._selection.texts(), *self._selection.drop_columns, *self._selection.columns, images}
        free = [place for place, name in enumerate(self._names) if name not in taken]
        if not free:
            raise ConfigurationError(f"{self._table.name}: no column is left to name the image; give it with --key-column")
        chosen = self._by_looks(free)
        if chosen != free[0]:
            self._notes.append(
                f"key column {_named(self._names, chosen)}: its cells name the images, those of {_named(self._names, free[0])} do not"
            )
        return chosen

    def _by_looks(self, free: Sequence[int]) -> int:
        """Return the column whose cells look like files; refuse to choose where several do."""
        named = [place for place in free if self._look_like_files(place)]
        found = [place for place in named if self._share_found(place) > 0]
        if found and found[0] != free[0] and len(found) > 1:
            raise self._ambiguous(found)
        if found or named:
            return (found or named)[0]
        # Numbers or stems: only what no other column could be as well.
        formed = {parse_form(text, self._table)[0] for text in self._selection.columns if not self._counts[text]}
        unique = [place for place in free if self._is_unique(place) and self._names[place] not in formed] if self._means else []
        some = [place for place in unique if self._share_found(place) > 0]
        bare = [place for place in some if self._share_found(place) >= 0.9] or some
        if len(bare) > 1 and len(self._head) > 1:
            raise self._ambiguous(bare)
        if bare and self._is_index(bare[0]):
            raise DataError(
                f"{self._table.where_header}: {_named(self._names, bare[0])} holds row numbers, and no other column names the images; "
                f'if they do: --key-column "{self._names[bare[0]]}" (columns: {self._listed_names()})'
            )
        return bare[0] if bare else next((place for place in free if not self._is_index(place)), free[0])

    def _ambiguous(self, places: Sequence[int]) -> DataError:
        listed = " or ".join(_named(self._names, place) for place in places[:_MOST_NAMED])
        return DataError(
            f"{self._table.where_header}: {listed} may name the image; say which with --key-column (columns: {self._listed_names()})"
        )

    def _candidates_in_words(self) -> str:
        places = [place for place in range(len(self._names)) if self._look_like_files(place) or self._share_found(place) >= 0.9]
        listed = ", ".join(repr(self._names[place]) for place in places[:_MOST_NAMED])
        return f"; the images are named by {listed}" if places else f" (columns: {self._listed_names()})"

    def _listed_names(self) -> str:
        more = "" if len(self._names) <= _MOST_NAMED else f", and {len(self._names) - _MOST_NAMED} more"
        return ", ".join(name or "one without a name" for name in self._names[:_MOST_NAMED]) + more

    def _cells(self, place: int) -> list[str]:
        return [row[place].strip() for row in self._head]

    def _look_like_files(self, place: int) -> bool:
        cells = self._cells(place)
        return bool(cells) and sum(cell.lower().endswith(IMAGE_SUFFIXES) for cell in cells) > 0.9 * len(cells)

    def _share_found(self, place: int) -> float:
        """Return the share of the first cells that mean a file."""
        cells = [cell for cell in self._cells(place) if cell]
        return float(self._means(cells).mean()) if self._means is not None and cells else 0.0

    def _is_unique(self, place: int) -> bool:
        cells = self._cells(place)
        return bool(cells) and len(set(cells)) == len(cells)

    def _is_index(self, place: int) -> bool:
        """Tell whether a column is the row numbers that a library wrote: by its name, and whole numbers."""
        cells = [canonical(cell) for cell in self._cells(place) if cell]
        numbers = bool(cells) and all(cell.isascii() and cell.isdigit() for cell in cells)
        return numbers and bool(INDEX_NAMES.fullmatch(self._names[place]))

    # The labels.

    def _all(self, key: int) -> Iterator[Attribute]:
        cells = label_cells(self._selection.rules())
        taken = {*self._selection.texts(), *self._selection.drop_columns, self._table.image_column}
        for place, name in enumerate(self._names):
            if place == key or name in taken:
                continue
            if INDEX_NAMES.fullmatch(name) and (left_out := self._left_out(place)):
                self._notes.append(left_out)
                continue
            if not name:
                raise DataError(
                    f"{self._table.where_header}: column {place + 1} has no name; name it, or list the attributes with --columns"
                )
            yield Attribute(name, place, cells)

    def _left_out(self, place: int) -> str:
        cells = self._cells(place)
        if not any(cells):
            return f"{_named(self._names, place)} is left out: it is empty"
        return f"{_named(self._names, place)} is left out: it holds row numbers" if self._is_index(place) else ""

    def _chosen(self, key: int) -> Iterator[Attribute]:
        selection, rules = self._selection, self._selection.rules()
        plain = label_cells(rules)
        for name, times in Counter(selection.columns).items():
            if times > 1:
                raise ConfigurationError(f"--columns: names {name!r} twice")
        for text in selection.columns:
            if self._counts[text]:
                self._check_is_one(text, "--columns")
                self._check_free(text, text, key)
                yield Attribute(text, self._names.index(text), plain)
            else:
                yield from self._form(text, key, rules)

    def _form(self, text: str, key: int, rules: Sequence[Rule]) -> Iterator[Attribute]:
        column, operator, operand = parse_form(text, self._table)
        self._check_is_one(column, "--columns")
        self._check_free(column, text, key)
        place = self._names.index(column)
        if not operand:
            raise ConfigurationError(f'--columns {text!r}: expected something behind {operator}, for example "{column}{operator}*"')
        if operator in ("=", "~"):
            make = Category if operator == "=" else Word
            for category in categories([self._table], column, operator, rules) if operand == "*" else [operand]:
                yield Attribute(f"{column}{operator}{category}", place, make(category, rules), is_plain=False)
            return
        try:
            cells = Bound(operator, operand, rules)
        except ValueError as error:
            raise ConfigurationError(f"--columns {text!r}: {operand!r} is no number") from error
        yield Attribute(text, place, cells, is_plain=False)

    # Names.

    def _check_free(self, column: str, text: str, key: int) -> None:
        if self._names.index(column) == key:
            raise ConfigurationError(f"--columns: {column!r} is the column of image files of {self._table.name}; leave it out")
        if column in self._selection.drop_columns:
            raise ConfigurationError(f"--columns: {text!r} is named by --drop-columns too; leave it out of one of them")

    def _check_is_one(self, name: str, flag: str) -> None:
        if not self._counts[name]:
            hint = by_spaces([name], self._counts) or did_you_mean(name, self._counts)
            raise ConfigurationError(f"{flag}: {self._table.name} has no column {name!r}{hint}")
        if self._counts[name] > 1:
            raise DataError(f"{self._table.name}: column {name!r} is named twice; rename or remove one")

    def _check_names(self, attributes: Sequence[Attribute], key: int) -> None:
        where = self._table.where_header
        if not attributes:
            raise DataError(
                f"{where}: the header names no attributes; the columns are {self._listed_names()}, the image's {_named(self._names, key)}"
            )
        plain = label_cells()
        if all(plain.allow(attribute.name) for attribute in attributes) and self._is_value(self._names[key]):
            raise DataError(f"{where}: holds values, expected a header with the names of the columns; add one")
        names = Counter(attribute.name for attribute in attributes)
        for attribute in attributes:
            name = attribute.name
            if MISLEADING.search(name):
                raise DataError(f"{where}: attribute {name[:60]!r} holds control characters; rename it")
            if len(name) > MAX_NAME_CHARACTERS:
                raise DataError(f"{where}: attribute {name[:60]!r}… has {len(name)} characters, at most {MAX_NAME_CHARACTERS} are allowed")
            if names[name] > 1 or self._counts[self._names[attribute.position]] > 1:
                raise DataError(f"{where}: attribute {name} is named twice; rename or remove one")

    def _is_value(self, cell: str) -> bool:
        """Tell a file, or a number, from the name of a column."""
        known = self._means is not None and bool(cell) and bool(self._means([cell])[0])
        return not self._table.names_key or known or cell.lower().endswith(IMAGE_SUFFIXES) or cell.isdigit()


def _named(names: Sequence[str], place: int) -> str:
    return repr(names[place]) if names[place] else f"column {place + 1}, which has no name,"


def plain_cells_of(columns: Columns) -> Cells | None:
    """Return the cells that all attributes have in common, or None where they differ."""
    cells = columns.attributes[0].cells if columns.attributes else None
    return cells if all(attribute.cells is cells for attribute in columns.attributes) else None
