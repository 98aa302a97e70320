"""What the eye sees while features are computed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.report.words import count, duration

_PLAIN_SECONDS = 30.0
"""Where stderr is no terminal, this much time lies between two lines."""


@contextmanager
def feature_progress(mode: str, *, is_shown: bool) -> Iterator[Callable[[int, int, float], None]]:
    """Yield what takes samples done, samples to do, and the seconds so far; it says once that all are done.

    Args:
        mode: `report.console`; `quiet` shows nothing, `plain` no live line.
        is_shown: Whether this process speaks.
    """
    console = Console(stderr=True, quiet=mode == "quiet" or not is_shown)
    is_live = console.is_terminal and mode != "plain"
    columns = (TextColumn("features"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]} images/s"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not is_live) as live:
        task = live.add_task("", total=None, rate="", visible=False)
        # When the last line was written; None once there is nothing more to say.
        written: float | None = 0.0

        def show(done: int, total: int, seconds: float) -> None:
            nonlocal written
            rate = count(done / seconds) if seconds else "0"
            live.update(task, completed=done, total=total, rate=rate, visible=done < total)
            if done == total and written is not None:
                written = None
                console.print(f"features of {count(total)} images computed in {duration(seconds)} ({rate} images/s)", highlight=False)
            elif written is not None and not is_live and seconds - written >= _PLAIN_SECONDS:
                written = seconds
                console.print(f"features: {count(done)} of {count(total)} images, {rate} images/s", highlight=False)

        yield show
