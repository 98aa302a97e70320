"""What the eye sees while shards are packed or checked."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text


class Progress:
    """A line on stderr: images, MB and shards done, their rates, bad images, time left. Nothing where stderr is no terminal."""

    def __init__(self, doing: str = "packing") -> None:
        """Show nothing yet.

        Args:
            doing: What it will say once the work begins.
        """
        self._doing = doing
        console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            _Rates(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("looking for images", total=None, num_bytes=0, num_bad=0, shards="", began=time.perf_counter())
        self._num_shards = 0
        self.num_finished = 0

    def __enter__(self) -> "Progress":
        """Show it."""
        self._bar.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None) -> None:
        """Take it away."""
        self._bar.stop()

    def listed(self, num_images: int) -> None:
        """Show how many files were found so far."""
        self._bar.update(self._task, completed=num_images)

    def begin(self, num_shards: int, num_images: int) -> None:
        """The work on the shards begins."""
        self._num_shards = num_shards
        self._bar.reset(
            self._task,
            description=self._doing,
            total=num_images,
            num_bytes=0,
            num_bad=0,
            shards=f"0/{num_shards}",
            began=time.perf_counter(),
        )

    def advance(self, num_images: int, num_bytes: int, num_bad: int) -> None:
        """So much more is done."""
        fields = self._bar.tasks[0].fields
        self._bar.update(self._task, advance=num_images, num_bytes=fields["num_bytes"] + num_bytes, num_bad=fields["num_bad"] + num_bad)

    def finish_shard(self) -> None:
        """One more shard is whole."""
        self.num_finished += 1
        self._bar.update(self._task, shards=f"{self.num_finished}/{self._num_shards}")


class _Rates(ProgressColumn):
    """Images, images/s, MB/s, shards and bad images."""

    def render(self, task: Task) -> Text:
        """Return the column."""
        seconds = max(time.perf_counter() - task.fields["began"], 1e-3)
        if not task.fields["shards"]:
            return Text(f"{task.completed:,.0f} files")
        of_all = f"/{task.total:,.0f}" if task.total else ""
        text = Text(f"{task.completed:,.0f}{of_all} images  {task.completed / seconds:,.0f} images/s  ")
        text.append(f"{task.fields['num_bytes'] / seconds / 1e6:,.1f} MB/s  ")
        text.append(f"{task.fields['shards']} shards")
        if task.fields["num_bad"]:
            text.append(f"  {task.fields['num_bad']:,} bad", style="yellow")
        return text
