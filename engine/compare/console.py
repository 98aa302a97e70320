"""What the user sees while a comparison trains: one live line on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from engine.compare.closing import in_plain_text, in_terminal
from engine.compare.comparison import PlannedRun
from engine.compare.findings import Findings
from engine.compare.pace import Pace
from engine.compare.verdict import notes, verdict
from engine.show.fitting import fit
from engine.show.terminal import open_terminal, write_lines
from engine.show.words import clock, duration
from shards.command import one_line


class Display(Protocol):
    """What training a comparison asks of a display."""

    def begin(self, num_runs: int, *, num_present: int) -> None:
        """Show what is to be done."""

    def start(self, number: int, run: PlannedRun, *, resumes: bool) -> None:
        """Show that a run begins, or goes on."""

    def done(self, number: int, run: PlannedRun) -> None:
        """Show that a run is finished."""

    def failed(self, number: int, run: PlannedRun, outcome: str) -> None:
        """Show that a run has no result, and what became of it in a word or two."""

    def passed(self, number: int, run: PlannedRun, outcome: str) -> None:
        """Show that a run has ended without having been trained here, and how."""

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Show that only runs are left that other processes train, or that wait for those; called again and again."""

    def end(self, findings: Findings, paths: Sequence[Path]) -> None:
        """Show what was found, and where it is written."""

    def close(self) -> None:
        """Leave the screen as it should stay."""


class PlainDisplay:
    """A log file or a pipe: whole lines only, each flushed."""

    def __init__(self) -> None:
        self._num_runs = 0
        self._waits = False
        self._pace = Pace()

    def begin(self, num_runs: int, *, num_present: int) -> None:
        """Print how much there is to do."""
        self._num_runs = num_runs
        self._pace.begin(num_runs - num_present)
        self._write(summary_of(num_runs, num_present))

    def start(self, number: int, run: PlannedRun, *, resumes: bool) -> None:
        """Print the run's name."""
        self._pace.start()
        self._waits = False
        left = self._pace.left_seconds
        self._tell(number, run, f"{'goes on' if resumes else 'starts'}{f', about {clock(left)} left' if left is not None else ''}")

    def done(self, number: int, run: PlannedRun) -> None:
        """Print how long it took, and what is left."""
        self._tell(number, run, f"done in {duration(self._pace.done())}")

    def failed(self, number: int, run: PlannedRun, outcome: str) -> None:
        """Print what became of it."""
        self._tell(number, run, f"{outcome} after {duration(self._pace.done())}")

    def passed(self, number: int, run: PlannedRun, outcome: str) -> None:
        """Print what became of it."""
        self._pace.passed()
        self._tell(number, run, outcome)

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Print it once until a run starts."""
        if not self._waits:
            self._write(waiting(runs))
        self._waits = True

    def end(self, findings: Findings, paths: Sequence[Path]) -> None:
        """Print verdict, table and notes."""
        self._write(*verdict(findings), *in_plain_text(findings))
        self._write(*(f"note: {note}" for note in notes(findings)), _wrote(paths))

    def close(self) -> None:
        """Do nothing: every line is already out."""

    def _tell(self, number: int, run: PlannedRun, what: str) -> None:
        self._write(f"run {number}/{self._num_runs} {one_line(run.name)}: {what}")

    def _write(self, *lines: str) -> None:
        write_lines(sys.stdout, *lines)


class RichDisplay:
    """A terminal: a line per finished run, and one live line below them, drawn once a second."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._line = LiveLine()
        self._live: Live | None = None

    def begin(self, num_runs: int, *, num_present: int) -> None:
        """Print how much there is to do."""
        self._line.num_runs = num_runs
        self._line.pace.begin(num_runs - num_present)
        self.console.print(Text(summary_of(num_runs, num_present)))

    def start(self, number: int, run: PlannedRun, *, resumes: bool) -> None:
        """Show the run in the live line."""
        self._line.pace.start()
        self._line.number, self._line.name, self._line.resumes = number, one_line(run.name), resumes
        self._go_live()

    def done(self, number: int, run: PlannedRun) -> None:
        """Print the run above the live line."""
        self._print_run(number, run, ("✓ ", "green"), duration(self._line.pace.done()))

    def failed(self, number: int, run: PlannedRun, outcome: str) -> None:
        """Print the run above the live line, as one without a result."""
        self._print_run(number, run, ("✗ ", "red"), f"{outcome} after {duration(self._line.pace.done())}")

    def passed(self, number: int, run: PlannedRun, outcome: str) -> None:
        """Print the run above the live line."""
        self._line.pace.passed()
        self._print_run(number, run, ("· ", "dim"), outcome)

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Say so in the live line."""
        self._line.number, self._line.name, self._line.resumes = 0, waiting(runs), False
        self._go_live()

    def end(self, findings: Findings, paths: Sequence[Path]) -> None:
        """Print verdict, table and notes."""
        self.console.print()
        for sentence in verdict(findings):
            self.console.print(Text(sentence, "bold"))
        self.console.print()
        self.console.print(in_terminal(findings))
        for note in notes(findings):
            self.console.print(Text.assemble(("• ", "yellow"), note))
        self.console.print(Text(_wrote(paths), "dim"))

    def close(self) -> None:
        """Take the live line away."""
        if self._live:
            self._live.stop()
            self._live = None

    def _go_live(self) -> None:
        if self._live is None:
            self._live = Live(self._line, console=self.console, refresh_per_second=1, transient=True)
            self._live.start(refresh=True)

    def _print_run(self, number: int, run: PlannedRun, mark: tuple[str, str], outcome: str) -> None:
        width = len(str(self._line.num_runs))
        line = Text.assemble(mark, (f"{number:{width}}/{self._line.num_runs} ", "dim"), one_line(run.name), (f"  {outcome}", "dim"))
        self.console.print(line)


class LiveLine:
    """The live line as something rich draws again and again, as wide as the terminal is at that moment."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.num_runs = 0
        self.number = 0
        """Of the run under way; 0 without one."""
        self.name = ""
        self.resumes = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the line for this moment."""
        yield self.line(options.max_width)

    def line(self, width: int) -> Text:
        """Return the run under way, the time so far and the time to come, in at most `width` cells."""
        empty = Text()
        numbers = [Text(f"run {self.number} of {self.num_runs}", "cyan"), Text(f"{self.number}/{self.num_runs}", "cyan")]
        left = self.pace.left_seconds
        return fit(
            [
                numbers if self.number else [empty],
                [Text(self.name, "bold")],
                [Text("goes on", "dim") if self.resumes else empty, empty],
                [Text(f"elapsed {clock(self.pace.elapsed_seconds)}"), Text(clock(self.pace.elapsed_seconds)), empty],
                [Text(f"about {clock(left)} left", "magenta") if left is not None else empty, empty],
            ],
            width,
        )


def _wrote(paths: Sequence[Path]) -> str:
    pictures = [path for path in paths if path.suffix == ".png"]
    named = [one_line(str(path)) for path in paths if path.suffix != ".png"]
    return f"wrote {', '.join(named)} and {len(pictures)} picture{'s' if len(pictures) != 1 else ''} in plots"


def waiting(runs: Sequence[PlannedRun]) -> str:
    """Return what is waited for, in words."""
    more = f", and {len(runs) - 1} more to go" if len(runs) > 1 else ""
    return f"waits for {one_line(runs[0].name)}, which another process trains{more}"


def summary_of(num_runs: int, num_present: int) -> str:
    """Return what is to be done, in words.

    >>> summary_of(6, 0), summary_of(6, 6)
    ('6 runs', '6 runs, all of them present')
    """
    there = "" if not num_present else ", all of them present" if num_present == num_runs else f", {num_present} of them present"
    return f"{num_runs} run{'s' if num_runs > 1 else ''}{there}"


def open_display() -> Display:
    """Return the display for standard output."""
    console = open_terminal()
    return PlainDisplay() if console is None else RichDisplay(console)
