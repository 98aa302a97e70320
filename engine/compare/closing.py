"""What closes a comparison on the console: the verdict, one small table, the notes, the files."""

from dataclasses import replace

from rich.table import Table as RichTable

from engine.compare.findings import Findings
from engine.compare.tables import baselines_table, measures_table
from engine.show.tables import Cell, Mark, Table, plain_lines, rich_table

NAME_CELLS = 36
_HEADS = ("to mtl, points", "adjusted", "Δm, %", "negative transfer", "time")
"""Of the table against the baselines, what the console shows."""
_MEANINGS: dict[Mark, str] = {"best": "bold: best of the column", "harm": "red: negative transfer"}
"""Of the marks that the small table may have."""


def closing_table(findings: Findings) -> Table:
    """Return the chosen measure of each variant, and how it stands against the baselines."""
    measures, baselines = measures_table(findings), baselines_table(findings)
    shown = [place for place, head in enumerate(baselines.heads) if head.name in _HEADS]
    empty = tuple(Cell(text="") for _ in shown)
    against = [tuple(row.cells[place] for place in shown) for row in baselines.rows]
    rows = [replace(row, cells=(row.cells[0], *cells)) for row, cells in zip(measures.rows, [*against, empty], strict=True)]
    return replace(measures, heads=(measures.heads[0], *(baselines.heads[place] for place in shown)), rows=tuple(rows))


def in_plain_text(findings: Findings) -> list[str]:
    """Return the closing table in fixed width."""
    return plain_lines(closing_table(findings), name_cells=NAME_CELLS)


def in_terminal(findings: Findings) -> RichTable:
    """Return the closing table for the terminal; below it stands what bold and red mean, as far as they occur."""
    return rich_table(closing_table(findings), name_cells=NAME_CELLS, meanings=_MEANINGS)
