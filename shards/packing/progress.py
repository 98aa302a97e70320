"""What the eye sees while shards are packed or checked."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.text import Text

from shards.fitting import fitting

_PLAIN_SECONDS = 30.0
"""Where stderr is no terminal, this much time lies between two lines, and before the first."""

_BAR_WIDTHS = range(10, 41)
_GAP = "  "
_PER_SECOND = 10


class Progress:
    """A line on stderr: images, MB and shards done, their rates, bad images, time left. Where stderr is no terminal, one now and then."""

    def __init__(self, doing: str = "packing") -> None:
        """Show nothing yet.

        Args:
            doing: What it will say once the work begins.
        """
        self._doing = doing
        self._console = Console(stderr=True)
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._num_files = 0
        self._num_images = 0
        self._num_shards: int | None = None
        self._num_done, self._num_bytes, self._num_bad = 0, 0, 0
        self._kept_images, self._kept_bytes = 0, 0
        self._began = self._written = time.perf_counter()
        self.num_finished = 0
        # Last: it draws at once.
        self._live = Live(console=self._console, get_renderable=self._line, refresh_per_second=_PER_SECOND, transient=True)

    def __enter__(self) -> "Progress":
        """Show it."""
        if self._is_live:
            self._live.start(refresh=True)
        return self

    def __exit__(self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None) -> None:
        """Take it away."""
        self._live.stop()

    def listed(self, num_images: int) -> None:
        """Show how many files were found so far."""
        self._num_files = num_images
        self._write()

    def begin(self, num_shards: int, num_images: int) -> None:
        """The work on the shards begins.

        Args:
            num_shards: How many there are.
            num_images: How many images are in all of them; 0 if nobody knows.
        """
        self._num_shards, self._num_images = num_shards, num_images
        self._began = time.perf_counter()

    def advance(self, num_images: int, num_bytes: int, num_bad: int) -> None:
        """So much more is done."""
        self._num_done += num_images
        self._num_bytes += num_bytes
        self._num_bad += num_bad
        self._write()

    def finish_shard(self, *, kept_images: int = 0, kept_bytes: int = 0) -> None:
        """One more shard is whole.

        Args:
            kept_images: How many of its images were done before this run: they count as done, but not for the rates.
            kept_bytes: Their bytes.
        """
        self.num_finished += 1
        self._kept_images += kept_images
        self._kept_bytes += kept_bytes
        if self._num_done == self._kept_images:
            # Until now shards were only looked at, which is faster: the rates are those of the work that comes.
            self._began = time.perf_counter()
        self._write()

    def _write(self) -> None:
        """Write a plain line if it is time for one."""
        now = time.perf_counter()
        if not self._is_live and now - self._written >= _PLAIN_SECONDS:
            self._written = now
            line = self._line()
            figures = ", ".join(part.text for part in line.parts)
            self._console.print(f"{line.doing}: {figures}", soft_wrap=True, highlight=False, markup=False)

    def _line(self) -> "_Line":
        if self._num_shards is None:
            return _Line(doing="looking for images", done=0, total=0, parts=(_Part(f"{self._num_files:,} files", 0),))
        return _Line(doing=self._doing, done=self._num_done, total=self._num_images, parts=tuple(self._parts()))

    def _parts(self) -> Iterator["_Part"]:
        seconds = max(time.perf_counter() - self._began, 1e-3)
        rate = (self._num_done - self._kept_images) / seconds
        of_all = f"/{self._num_images:,}" if self._num_images else ""
        yield _Part(f"{self._num_done:,}{of_all} images", 0)
        yield _Part(f"{rate:,.0f} images/s", 2)
        yield _Part(f"{(self._num_bytes - self._kept_bytes) / seconds / 1e6:,.1f} MB/s", 5)
        yield _Part(f"{self.num_finished}/{self._num_shards} shards", 4)
        if self._num_bad:
            yield _Part(f"{self._num_bad:,} bad", 3, style="yellow")
        if self._num_images:
            left = round(max(self._num_images - self._num_done, 0) / rate) if rate > 0 else None
            yield _Part("-:--:-- left" if left is None else f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left", 1)


@dataclass(frozen=True, slots=True)
class _Part:
    """A figure of the line."""

    text: str
    rank: int
    """Of several that do not all fit, the one of the highest rank goes first."""
    style: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """As much of it as fits on one line: all figures and a bar, or all figures, or those that matter most."""

    doing: str
    done: int
    total: int
    parts: tuple[_Part, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        doing = Text(f"{self.doing} ")
        parts = fitting(self.parts, lambda part: part.rank, lambda kept: doing.cell_len + _joined(kept).cell_len <= options.max_width)
        figures = _joined(parts)
        bar = min(options.max_width - doing.cell_len - figures.cell_len - len(_GAP), _BAR_WIDTHS.stop - 1)
        if bar in _BAR_WIDTHS and len(parts) == len(self.parts):
            doing.end = ""
            yield from (doing, ProgressBar(total=self.total or None, completed=self.done, width=bar), Text(_GAP, end=""), figures)
        else:
            yield Text.assemble(doing, figures, no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Take what there is."""
        return Measurement(1, options.max_width)


def _joined(parts: Sequence[_Part]) -> Text:
    return Text(_GAP).join(Text(part.text, part.style) for part in parts)
