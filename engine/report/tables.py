"""The per-task tables."""

from collections.abc import Sequence

from rich.table import Table as RichTable

from engine.report.columns import Column, needed
from engine.report.rows import TaskRow, mean_row
from engine.show.tables import Cell, Head, Row, Table, fitted, plain_lines, rich_table
from shards.command import one_line

NAME_CELLS = 20
"""Cells a task name may count on before columns are left out: CelebA's longest has 19."""
PLAIN_NAME_CELLS = 24


def task_table(rows: Sequence[TaskRow], columns: Sequence[Column]) -> Table:
    """Return the table of the tasks, the mean over them last.

    Args:
        rows: One per task.
        columns: The columns wanted; those that no row needs are left out.
    """
    columns = needed(columns, rows)
    return Table(
        corner="task",
        heads=tuple(Head(name=column.name, short=column.head, rank=column.rank) for column in columns),
        rows=tuple(
            Row(
                name=one_line(row.task),
                cells=tuple(Cell(text=column.write(row), mark="behind" if column.behind(row) else None) for column in columns),
            )
            for row in (*rows, mean_row(rows))
        ),
        ends_with_mean=True,
    )


def in_terminal(rows: Sequence[TaskRow], columns: Sequence[Column], width: int) -> RichTable:
    """Return the table as it fits into `width` cells."""
    table = fitted(task_table(rows, columns), width, most_name_cells=NAME_CELLS)
    name_cells = table.name_cells()
    room = width - sum(table.column_cells(place) + 1 for place in range(len(table.heads)))
    # One cell between the columns is the box's; a second one is a luxury.
    gap = 1 if room - name_cells >= len(table.heads) else 0
    return rich_table(table, name_cells=min(name_cells, room), gap=gap)


def in_plain_text(rows: Sequence[TaskRow], columns: Sequence[Column]) -> list[str]:
    """Return the table in fixed width."""
    return plain_lines(task_table(rows, columns), name_cells=PLAIN_NAME_CELLS, indent=2, gap=1)
