"""What the eye sees while features are computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.show.words import count, duration, memory

_PLAIN_SECONDS = 30.0
"""Where stderr is no terminal, this much time lies between two lines."""


@contextmanager
def feature_progress(mode: str, *, is_shown: bool) -> Iterator["FeatureProgress"]:
    """Yield what is told of the features.

    Args:
        mode: `report.console`; `quiet` shows nothing, `plain` no live line.
        is_shown: Whether this process speaks.
    """
    console = Console(stderr=True, quiet=mode == "quiet" or not is_shown)
    is_live = console.is_terminal and mode != "plain"
    columns = (TextColumn("features"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]} images/s"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not is_live) as live:
        yield FeatureProgress(console, live, is_live=is_live)


class FeatureProgress:
    """Says before what features will take, then how far they are, and once that all are done."""

    def __init__(self, console: Console, live: Progress, *, is_live: bool) -> None:
        """Begin silently.

        Args:
            console: For whole lines.
            live: The line that is drawn again and again.
            is_live: Whether it is drawn at all.
        """
        self._console, self._live, self._is_live = console, live, is_live
        self._task = live.add_task("", total=None, rate="", visible=False)
        # When the last line was written; None once there is nothing more to say.
        self._written: float | None = 0.0

    def begin(self, num_bytes: int, folder: Path) -> None:
        """Print what features will take on the disk."""
        if num_bytes:
            self._console.print(f"features: {memory(num_bytes)} will be written into {folder}", highlight=False, markup=False)

    def __call__(self, done: int, total: int, seconds: float) -> None:
        """Take samples done, samples to do, and the seconds so far."""
        rate = count(done / seconds) if seconds else "0"
        self._live.update(self._task, completed=done, total=total, rate=rate, visible=done < total)
        if done == total and self._written is not None:
            self._written = None
            self._console.print(f"features of {count(total)} images computed in {duration(seconds)} ({rate} images/s)", highlight=False)
        elif self._written is not None and not self._is_live and seconds - self._written >= _PLAIN_SECONDS:
            self._written = seconds
            self._console.print(f"features: {count(done)} of {count(total)} images, {rate} images/s", highlight=False)
