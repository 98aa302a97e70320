"""The header and the end of a run in the terminal, and the title over each epoch's table."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.journal.history import RunHistory
from engine.report.facts import epoch_facts, run_facts, summary_facts, task_facts
from engine.report.live import wait_style
from engine.report.rates import Throughput, data_wait_share
from engine.report.summary import Summary, headline
from shards.command import one_line

HEADER_CELLS = 17
"""Cells of the header's frame, of the names of its facts and of the gap between two tasks."""
VERDICT_STYLES = {"compute-bound": "green", "data-bound": "yellow", "n/a": "dim"}


def header(history: RunHistory, width: int) -> Panel:
    """Return the panel that opens a run."""
    run = history.run
    facts: list[tuple[str, RenderableType]] = [(name, Text(value)) for name, value in run_facts(run)]
    facts.append(("positives", _task_list(task_facts(run), width - HEADER_CELLS)))
    return Panel(_pairs(facts), title=Text(one_line(run.name), "bold"), title_align="left", border_style="cyan", width=width)


def epoch_title(history: RunHistory, epoch: int) -> Text:
    """Return the line above an epoch's table."""
    first, *rest = epoch_facts(history, epoch)
    title = Text.assemble((first, "bold"))
    loader = history.loaders.get(epoch)
    share = data_wait_share(loader) if loader else None
    for fact in rest:
        style = wait_style(share) if share is not None and fact.startswith("data wait") else ""
        title.append(" · ", "dim").append(fact, style)
    return title


def summary_block(summary: Summary) -> Group:
    """Return what closes a run: the result, then speed and its verdict, then what else is true."""
    return Group(
        Rule(Text(f"{one_line(summary.run.name)}: {summary.status}", "bold"), align="left", style="cyan"),
        Text(headline(summary), "bold"),
        Text(),
        _verdict(summary.throughput),
        _pairs((name, Text(value)) for name, value in summary_facts(summary)),
        *([Text(), _bullets(summary.notes)] if summary.notes else []),
    )


def _verdict(speed: Throughput) -> Text:
    return Text.assemble((speed.verdict, f"bold {VERDICT_STYLES[speed.verdict]}"), ": ", speed.sentence)


def _task_list(tasks: Sequence[str], room: int) -> Columns:
    # Rich cannot lay out columns that are wider than what they stand in.
    width = min(room, max((cell_len(task) for task in tasks), default=0))
    return Columns([Text(task) for task in tasks], padding=(0, 2), width=max(1, width))


def _pairs(facts: Iterable[tuple[str, RenderableType]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(Text(name), value)
    return grid


def _bullets(sentences: Iterable[str]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    for sentence in sentences:
        grid.add_row(Text("•", "yellow"), Text(sentence))
    return grid
