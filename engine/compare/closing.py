"""What closes a comparison on the console: the verdict, one small table, the notes, the files."""

from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from engine.compare.findings import Findings
from engine.compare.tables import Cell, Mark, Row, Table, baselines_table, measures_table
from engine.report.tables import LINES, shorten
from engine.report.words import MINUS

NAME_CELLS = 36
_HEADS = ("to mtl, points", "adjusted", "Δm, %", "negative transfer", "time")
"""Of the table against the baselines, what the console shows."""
_STYLES: dict[Mark, str] = {"best": "bold", "gain": "green", "harm": "red"}
_MEANINGS: dict[Mark, str] = {"best": "bold: best of the column", "harm": "red: negative transfer"}
"""Of the marks that the small table may have."""


def closing_table(findings: Findings) -> Table:
    """Return the chosen measure of each variant, and how it stands against the baselines."""
    measures, baselines = measures_table(findings), baselines_table(findings)
    shown = [place for place, head in enumerate(baselines.columns) if head in _HEADS]
    empty = tuple(Cell(text="") for _ in shown)
    against = [tuple(row.cells[place] for place in shown) for row in baselines.rows]
    rows = [replace(row, cells=(row.cells[0], *cells)) for row, cells in zip(measures.rows, [*against, empty], strict=True)]
    return replace(measures, columns=(measures.columns[0], *(baselines.columns[place] for place in shown)), rows=tuple(rows))


def plain_lines(table: Table) -> list[str]:
    """Return a table in fixed width; the best of a column has a star, which the last line explains.

    A minus sign becomes a hyphen: not every encoding has the former, and programs that read a log know the latter.
    """
    columns = list(zip(*([_marked(cell) for cell in row.cells] for row in table.rows), strict=True))
    widths = [max(cell_len(text) for text in (head, *texts)) for head, texts in zip(table.columns, columns, strict=True)]
    names = [shorten(row.name, NAME_CELLS) for row in table.rows]
    first = max(cell_len(name) for name in (table.corner, *names))
    lines = [_line(table.corner, table.columns, first, widths)]
    lines += [_line(name, [_marked(cell) for cell in row.cells], first, widths) for name, row in zip(names, table.rows, strict=True)]
    return [*lines, "* best of the column"] if "best" in _marks(table) else lines


def rich_table(table: Table) -> RichTable:
    """Return a table for the terminal; below it stands what bold and red mean, as far as they occur."""
    drawn = RichTable(box=LINES, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim", border_style="dim")
    drawn.add_column(Text(table.corner), no_wrap=True)
    for head in table.columns:
        drawn.add_column(Text(head), justify="right")
    for row in table.rows:
        drawn.add_row(Text(shorten(row.name, NAME_CELLS)), *(Text(cell.text, _style(cell, row)) for cell in row.cells))
    meanings = [meaning for mark, meaning in _MEANINGS.items() if mark in _marks(table)]
    if meanings:
        drawn.caption, drawn.caption_justify = Text(" · ".join(meanings), "dim"), "left"
    return drawn


def _marks(table: Table) -> set[Mark]:
    return {cell.mark for row in table.rows for cell in row.cells if cell.mark}


def _style(cell: Cell, row: Row) -> str:
    return _STYLES[cell.mark] if cell.mark else "dim" if row.is_reference else ""


def _marked(cell: Cell) -> str:
    text = cell.text.replace(MINUS, "-")
    return f"{text} *" if cell.mark == "best" else text


def _line(name: str, texts: Sequence[str], first: int, widths: Sequence[int]) -> str:
    padded = [" " * (width - cell_len(text)) + text for text, width in zip(texts, widths, strict=True)]
    return "  ".join([name + " " * (first - cell_len(name)), *padded]).rstrip()
