"""The per-task table in the terminal."""

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from engine.report.columns import Column, needed
from engine.report.rows import TaskRow, mean_row
from shards.command import one_line

NAME_CELLS = 20
"""Cells a task name may count on before columns are left out: CelebA's longest has 19."""
BEHIND = "red"
"""Style of what is not better than an answer that needs no model."""
LINES = box.Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
"""A line under the head and over the mean, none elsewhere."""


def task_table(rows: Sequence[TaskRow], columns: Sequence[Column], width: int) -> Table:
    """Return the table of the tasks, the mean over them last.

    Args:
        rows: One per task.
        columns: The columns wanted; those that no row needs are left out, and in a narrow terminal those of the highest rank.
        width: Cells the table may be wide.
    """
    last = mean_row(rows)
    every = [*rows, last]
    name_width = max((cell_len(one_line(row.task)) for row in every), default=0)
    columns = fitting(needed(columns, rows), every, width - min(name_width, NAME_CELLS))
    room = width - sum(column_width(column, every) + 1 for column in columns)
    # One cell between the columns is the box's; a second one is a luxury.
    gap = 1 if room - name_width >= len(columns) else 0
    table = Table(box=LINES, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, header_style="dim", border_style="dim")
    table.add_column("\ntask", no_wrap=True)
    for column in columns:
        table.add_column("\n".join(column.head), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, columns, min(name_width, room)), end_section=row is rows[-1])
    table.add_row(*_cells(last, columns, min(name_width, room)), style="bold")
    return table


def fitting(columns: Sequence[Column], rows: Sequence[TaskRow], width: int) -> list[Column]:
    """Return the columns that fit side by side into `width` cells, the least important left out first."""
    kept = list(columns)
    while sum(column_width(column, rows) + 1 for column in kept) > width and any(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    return kept


def column_width(column: Column, rows: Sequence[TaskRow]) -> int:
    """Return the cells that a column's widest entry takes."""
    return max(cell_len(text) for text in (*column.head, *(column.write(row) for row in rows)))


def shorten(name: str, width: int) -> str:
    """Return a name free of control characters, at most `width` cells wide; what is cut out is the middle.

    >>> shorten("Mouth_Slightly_Open", 12), shorten("Young", 12)
    ('Mouth_…_Open', 'Young')
    """
    name = one_line(name)
    if cell_len(name) <= width:
        return name
    head, tail = len(name) - len(name) // 2, len(name) // 2
    while head + tail > 0 and cell_len(name[:head]) + cell_len(name[len(name) - tail :]) + 1 > width:
        head, tail = (head - 1, tail) if head > tail else (head, tail - 1)
    return f"{name[:head]}…{name[len(name) - tail :]}"


def _cells(row: TaskRow, columns: Sequence[Column], name_width: int) -> list[Text]:
    values = [Text(column.write(row), BEHIND if column.behind(row) else "") for column in columns]
    return [Text(shorten(row.task, name_width)), *values]
