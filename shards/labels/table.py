"""What readers of tables have in common, whatever the file's format."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from shards.labels.cells import Cells

HEAD_ROWS = 200
"""Rows at the beginning of a table by which its columns are told apart."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A label column to be: where its cells stand and what they mean."""

    name: str
    position: int
    """Of the column in the file."""
    cells: Cells
    is_plain: bool = True
    """Whether the column is the attribute as it stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The columns that are read."""

    key: int
    """Position of the column of image files."""
    attributes: tuple[Attribute, ...]
    """The label columns."""
    texts: tuple[int, ...] = ()
    """Positions of columns whose cells are wanted as they are: a split, a group."""
    notes: tuple[str, ...] = ()
    """What was guessed, in words."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the attributes' names."""
        return tuple(attribute.name for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of a table."""

    files: list[str]
    """[n] image files as they are written."""
    codes: bytes | bytearray
    """[n · A] codes of the cells, row by row."""
    texts: tuple[list[str], ...] = ()
    """Per text column its [n] cells."""


class Table(Protocol):
    """An annotation file of any format, opened."""

    @property
    def name(self) -> str:
        """What messages call the file."""
        ...

    @property
    def header(self) -> tuple[str, ...]:
        """The columns' names, trimmed; empty for one without a name."""
        ...

    @property
    def where_header(self) -> str:
        """What messages call the header."""
        ...

    @property
    def names_key(self) -> bool:
        """Whether the column of images has a name: in CelebA's own file it has none, and is the first."""
        ...

    @property
    def image_column(self) -> str | None:
        """Return the column that holds images themselves; None if there is none, as in text."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed of the format, in words."""
        ...

    def head(self) -> list[list[str]]:
        """Return the first rows as text, at most `HEAD_ROWS`; a row may be too short or long."""
        ...

    def rows(self) -> Iterator[list[str]]:
        """Yield all rows as text."""
        ...

    def chunks(self, columns: Columns) -> Iterator[Chunk]:
        """Yield all rows of some columns."""
        ...

    def where(self, row: int) -> str:
        """Return what messages call a row, counted from 0."""
        ...
