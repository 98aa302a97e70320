"""The same story for logs and pipes: plain lines, no colour, no box, no cursor."""

from collections.abc import Sequence

from rich.cells import cell_len

from engine.journal.history import RunHistory
from engine.journal.records import SkipRecord, StepRecord
from engine.report.columns import EPOCH_COLUMNS, TEST_COLUMNS, Column, needed
from engine.report.facts import TIMES, epoch_facts, run_facts, summary_facts, task_facts
from engine.report.rows import TaskRow, epoch_rows, mean_row, metric_rows
from engine.report.summary import Summary, headline
from engine.report.tables import column_width, shorten
from engine.report.words import count, number, percent
from shards.command import one_line

NAME_CELLS = 24
_ASCII = str.maketrans({"·": "|", "…": "~", "†": "+", TIMES: "x", "±": "+-", "−": "-", "Δ": "D", "√": "sqrt "})


def header_lines(history: RunHistory) -> list[str]:
    """Return what opens a run."""
    run = history.run
    facts = [*run_facts(run), ("positives", ", ".join(task_facts(run)))]
    return [f"run {one_line(run.name)}", *_pairs(facts)]


def step_line(history: RunHistory, step: StepRecord) -> str:
    """Return one reported step; the active tasks as 1, the dropped as 0, in label order."""
    run = history.run
    active = "".join("1" if is_active else "0" for is_active in step.active)
    return (
        f"epoch {step.epoch + 1}/{run.epochs} step {step.step + 1}/{run.steps_per_epoch} loss {number(step.loss, 4)} "
        f"{count(step.images_per_second)} images/s data wait {percent(step.data_wait_share)} tasks {active}"
    )


def skip_line(skipped: SkipRecord) -> str:
    """Return one damaged sample that was left out."""
    return f"skipped: {skipped.split} image {skipped.key!r} of {skipped.shard} {skipped.reason}"


def epoch_lines(history: RunHistory, epoch: int) -> list[str]:
    """Return one finished epoch: its line, then its tasks."""
    return [" · ".join(epoch_facts(history, epoch)), *table_lines(epoch_rows(history, epoch), EPOCH_COLUMNS)]


def summary_lines(summary: Summary) -> list[str]:
    """Return what closes a run: the test table, the result, speed and its verdict, the notes."""
    lines = []
    if summary.test:
        lines += [f"test after epoch {summary.test.epoch + 1}", *table_lines(metric_rows(summary.test.tasks), TEST_COLUMNS)]
    speed = summary.throughput
    return [
        *lines,
        headline(summary),
        f"{speed.verdict}: {speed.sentence}",
        *_pairs(summary_facts(summary)),
        *(f"note: {note}" for note in summary.notes),
    ]


def table_lines(rows: Sequence[TaskRow], columns: Sequence[Column]) -> list[str]:
    """Return the per-task table in fixed width, the mean last."""
    every = [*rows, mean_row(rows)]
    columns = needed(columns, rows)
    names = [shorten(row.task, NAME_CELLS) for row in every]
    name_width = max(cell_len(name) for name in names)
    widths = [column_width(column, every) for column in columns]
    heads = [
        " ".join(["  " + part.ljust(name_width), *(column.head[line].rjust(width) for column, width in zip(columns, widths, strict=True))])
        for line, part in enumerate(("", "task"))
    ]
    body = [
        " ".join(
            [
                "  " + name + " " * (name_width - cell_len(name)),
                *(column.write(row).rjust(width) for column, width in zip(columns, widths, strict=True)),
            ]
        )
        for name, row in zip(names, every, strict=True)
    ]
    return [line.rstrip() for line in (*heads, *body)]


def encodable(line: str, encoding: str | None) -> str:
    r"""Return the line as a stream of that encoding can write it: our own signs as ASCII ones, the rest escaped.

    >>> encodable("accuracy 0.9 · ≤ 1 é", "ascii")
    'accuracy 0.9 | <=1 \\xe9'
    """
    encoding = encoding or "ascii"
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        # As wide as before, so that columns stay columns.
        return line.replace("≤ ", "<=").replace("≥ ", ">=").translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return line


def _pairs(facts: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in facts)
    return [f"  {name.ljust(width)}  {value}" for name, value in facts]
