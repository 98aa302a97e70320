"""Where a run is shown: a terminal, plain text, or nowhere."""

import sys
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from engine.journal.history import RunHistory
from engine.journal.records import Record, SkipRecord, StepRecord
from engine.report import plain
from engine.report.columns import EPOCH_COLUMNS, TEST_COLUMNS
from engine.report.live import LiveLine
from engine.report.panels import epoch_title, header, summary_block
from engine.report.rows import epoch_rows, metric_rows
from engine.report.summary import Summary
from engine.report.tables import in_terminal
from engine.show.terminal import Mode, open_terminal, write_lines
from shards.command import one_line

REFRESH_SECONDS = 0.1
"""The live line is drawn at most this often."""
MAX_WIDTH = 100
"""Panels wider than this are harder to read, not easier."""


class Display(Protocol):
    """What a reporter asks of a display."""

    def run(self, history: RunHistory) -> None:
        """Show that a process begins; the history is followed from now on."""

    def record(self, record: Record) -> None:
        """Show what a record changes, once it is in the history."""

    def epoch(self, epoch: int) -> None:
        """Show an epoch that is over and evaluated."""

    def end(self, summary: Summary) -> None:
        """Show what the run came to."""

    def print(self, message: str) -> None:
        """Show one line of notice."""

    def close(self) -> None:
        """Leave the screen as it should stay."""


class RichDisplay:
    """A terminal: a header, one live line, a table per epoch and a summary.

    The live line has no thread of its own: it is drawn when a record comes, so nothing runs beside a training step.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._history = RunHistory()
        self._live: Live | None = None
        self._drawn = 0.0

    def run(self, history: RunHistory) -> None:
        """Print the header and start the live line."""
        self._history = history
        self.console.print(header(history, self._width))
        self._live = Live(LiveLine(history), console=self.console, auto_refresh=False, transient=True)
        self._live.start(refresh=True)

    def record(self, record: Record) -> None:
        """Redraw the live line, for a step only if it was not drawn a moment ago; print a skipped sample."""
        if isinstance(record, SkipRecord):
            self.print(plain.skip_line(record))
        now = time.monotonic()
        if self._live and not (isinstance(record, StepRecord) and now - self._drawn < REFRESH_SECONDS):
            self._live.refresh()
            self._drawn = now

    def epoch(self, epoch: int) -> None:
        """Print the epoch's table above the live line."""
        table = in_terminal(epoch_rows(self._history, epoch), EPOCH_COLUMNS, self.console.width)
        self.console.print(Text(), epoch_title(self._history, epoch), table, sep="\n")

    def end(self, summary: Summary) -> None:
        """Print the test table and the summary in place of the live line."""
        self.close()
        if summary.test:
            table = in_terminal(metric_rows(summary.test.tasks), TEST_COLUMNS, self.console.width)
            self.console.print(Text(), Text(f"test after epoch {summary.test.epoch + 1}", "bold"), table, sep="\n")
        self.console.print()
        self.console.print(summary_block(summary), width=self._width)

    def print(self, message: str) -> None:
        """Print the notice above the live line."""
        self.console.print(Text(one_line(message)))

    def close(self) -> None:
        """Take the live line away."""
        if self._live:
            self._live.stop()
            self._live = None

    @property
    def _width(self) -> int:
        return min(self.console.width, MAX_WIDTH)


class PlainDisplay:
    """A log file or a pipe: whole lines only, each flushed."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._history = RunHistory()

    def run(self, history: RunHistory) -> None:
        """Print the header."""
        self._history = history
        self._write(*plain.header_lines(history))

    def record(self, record: Record) -> None:
        """Print one line per step, the loop has already decided how often, and per skipped sample."""
        if isinstance(record, StepRecord):
            self._write(plain.step_line(self._history, record))
        elif isinstance(record, SkipRecord):
            self.print(plain.skip_line(record))

    def epoch(self, epoch: int) -> None:
        """Print the epoch's line and table."""
        self._write(*plain.epoch_lines(self._history, epoch))

    def end(self, summary: Summary) -> None:
        """Print the test table and the summary."""
        self._write(*plain.summary_lines(summary))

    def print(self, message: str) -> None:
        """Print the notice."""
        self._write(one_line(message))

    def close(self) -> None:
        """Do nothing: every line is already out."""

    def _write(self, *lines: str) -> None:
        write_lines(self.stream, *lines)


class QuietDisplay:
    """Nowhere: records and files are written all the same."""

    def run(self, history: RunHistory) -> None:
        """Show nothing."""

    def record(self, record: Record) -> None:
        """Show nothing."""

    def epoch(self, epoch: int) -> None:
        """Show nothing."""

    def end(self, summary: Summary) -> None:
        """Show nothing."""

    def print(self, message: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


def open_display(mode: Mode) -> Display:
    """Return the display for a mode, on stdout.

    Raises:
        ConfigurationError: `rich` is asked for where stdout cannot write its characters.
    """
    if mode == "quiet":
        return QuietDisplay()
    console = open_terminal(mode)
    return PlainDisplay(sys.stdout) if console is None else RichDisplay(console)
