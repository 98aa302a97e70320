"""Tables, once for the terminal, plain text, Markdown and the page. Their text is untrusted until a writer escapes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from engine.show.fitting import shorten
from engine.show.words import MINUS
from shards.fitting import fitting

UP, DOWN = "▲", "▼"
"""What stands at a cell marked as gain or harm, so that neither is told by its colour alone."""
Mark = Literal["best", "gain", "harm", "behind"]
"""`best` of those it is compared with, be it by chance; above (`gain`) or below (`harm`) another by the rule that the caption tells;
`behind` what needs no model."""
LINES = box.Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
"""A line under the head and over the mean, none elsewhere."""
_STYLES: dict[Mark, str] = {"best": "bold", "gain": "green", "harm": "red", "behind": "red"}
_BEST = " *"


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The head of a column."""

    name: str
    """Where there is room."""
    short: tuple[str, str] | None = None
    """On two short lines, the upper of which may be empty."""
    rank: int = 0
    """When a table is too wide the column of the highest rank goes first; 0 stays whatever happens."""

    def lines(self) -> tuple[str, ...]:
        """Return it as a narrow table has it."""
        return self.short or (self.name,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One entry of a table."""

    text: str
    """What it says."""
    mark: Mark | None = None
    """What is to be seen at a glance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row."""

    name: str
    """Its first entry."""
    cells: tuple[Cell, ...]
    """The others, one per column."""
    is_reference: bool = False
    """Whether it tells of nothing that was trained but of what needs no model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table."""

    title: str = ""
    """Its heading."""
    caption: str = ""
    """What its numbers are."""
    corner: str
    """Head of the first column."""
    heads: tuple[Head, ...]
    """Heads of the others."""
    rows: tuple[Row, ...]
    """Its rows."""
    ends_with_mean: bool = False
    """Whether the last row is the mean over the others."""

    def marks(self) -> set[Mark]:
        """Return the marks that occur."""
        return {cell.mark for row in self.rows for cell in row.cells if cell.mark}

    def column(self, place: int) -> list[str]:
        """Return the texts below a head."""
        return [row.cells[place].text for row in self.rows]

    def name_cells(self) -> int:
        """Return how wide the first column would like to be."""
        return max(cell_len(text) for text in (self.corner, *(shorten(row.name, 10**6) for row in self.rows)))

    def column_cells(self, place: int) -> int:
        """Return how wide a column has to be."""
        return max(cell_len(text) for text in (*self.heads[place].lines(), *self.column(place)))


def fitted(table: Table, width: int, *, most_name_cells: int) -> Table:
    """Return the table without the columns for which there is no room in `width` cells, the least important left out first.

    Args:
        table: The table.
        width: Cells.
        most_name_cells: What names may count on before columns are left out.
    """
    room = width - min(table.name_cells(), most_name_cells)
    places = fitting(
        range(len(table.heads)),
        rank=lambda place: table.heads[place].rank,
        fits=lambda kept: sum(table.column_cells(place) + 1 for place in kept) <= room,
    )
    rows = tuple(Row(name=row.name, cells=tuple(row.cells[place] for place in places), is_reference=row.is_reference) for row in table.rows)
    return Table(
        title=table.title,
        caption=table.caption,
        corner=table.corner,
        heads=tuple(table.heads[place] for place in places),
        rows=rows,
        ends_with_mean=table.ends_with_mean,
    )


def rich_table(table: Table, *, name_cells: int, gap: int = 1, meanings: Mapping[Mark, str] | None = None) -> RichTable:
    """Return a table for the terminal.

    Args:
        table: The table.
        name_cells: Most cells of a name.
        gap: Cells between two columns, besides the one that is always there.
        meanings: What marks mean; below the table stand those that occur.
    """
    drawn = RichTable(box=LINES, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, header_style="dim", border_style="dim")
    lines = max((len(head.lines()) for head in table.heads), default=1)
    drawn.add_column(Text("\n" * (lines - 1) + table.corner), no_wrap=True)
    for head in table.heads:
        drawn.add_column(Text("\n".join(head.lines())), justify="right", no_wrap=lines > 1)
    for number, row in enumerate(table.rows, start=1):
        is_mean = table.ends_with_mean and number == len(table.rows)
        cells = [Text(cell.text, _STYLES[cell.mark] if cell.mark else "dim" if row.is_reference else "") for cell in row.cells]
        style = "bold" if is_mean else None
        drawn.add_row(
            Text(shorten(row.name, name_cells)), *cells, style=style, end_section=table.ends_with_mean and number + 1 == len(table.rows)
        )
    said = [meaning for mark, meaning in (meanings or {}).items() if mark in table.marks()]
    if said:
        drawn.caption, drawn.caption_justify = Text(" · ".join(said), "dim"), "left"
    return drawn


def plain_lines(table: Table, *, name_cells: int, indent: int = 0, gap: int = 2) -> list[str]:
    """Return a table in fixed width; the best of a column has a star, which the last line explains.

    A minus sign becomes a hyphen: not every encoding has the former, and programs that read a log know the latter.

    Args:
        table: The table.
        name_cells: Most cells of a name.
        indent: Blanks before each line.
        gap: Blanks between two columns.
    """
    texts = [[_plain(cell) for cell in row.cells] for row in table.rows]
    num_lines = max((len(head.lines()) for head in table.heads), default=1)
    heads = [("",) * (num_lines - len(head.lines())) + head.lines() for head in table.heads]
    columns = [[*head, *column] for head, column in zip(heads, zip(*texts, strict=True), strict=True)]
    widths = [max(map(cell_len, column)) for column in columns]
    names = [*[""] * (num_lines - 1), table.corner, *(shorten(row.name, name_cells) for row in table.rows)]
    first = max(map(cell_len, names))
    lines = []
    for name, *cells in zip(names, *columns, strict=True):
        padded = [" " * (width - cell_len(text)) + text for text, width in zip(cells, widths, strict=True)]
        lines.append((" " * indent + (" " * gap).join([name + " " * (first - cell_len(name)), *padded])).rstrip())
    return [*lines, f"{_BEST.strip()} best of the column"] if "best" in table.marks() else lines


def _plain(cell: Cell) -> str:
    return cell.text.replace(MINUS, "-") + (_BEST if cell.mark == "best" else "")
