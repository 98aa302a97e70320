"""Who packs in `tools/benchmark pack`, and how well each of them did."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shards.cores import usable_cores
from tools.benchmarks.trial import Trial

_SHARD_WRITER = "ShardWriter"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A writer of shards, and its number of processes."""

    writer: str
    """`ShardWriter`, or how far make_shards checks each image."""
    workers: int
    """Processes that write."""

    @property
    def name(self) -> str:
        """As in the file of figures.

        >>> Contender(writer="header", workers=2).name
        'header, 2 workers'
        """
        return self.writer if self.writer == _SHARD_WRITER else f"{self.writer}, {self.workers} worker{'s' * (self.workers > 1)}"

    @property
    def title(self) -> str:
        """As in the table, which has the workers in a column of their own."""
        return f"webdataset.{_SHARD_WRITER}" if self.writer == _SHARD_WRITER else f"make_shards --check {self.writer}"

    def arguments(self, source: Path, out: Path) -> tuple[str, ...]:
        """Return what its process is told."""
        return (self.writer, str(source), str(out), str(self.workers))


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How a contender did."""

    workers: int
    """Processes that write."""
    images_per_second: float
    """Images divided by the median of `seconds`."""
    ratio_to_shard_writer: float
    """Its images per second divided by those of ShardWriter."""
    seconds: tuple[float, ...]
    """Of each round."""
    peak_anonymous_bytes: int
    """Most RssAnon of all its processes together, in any round."""


def contenders() -> tuple[Contender, ...]:
    """Return them in the order of their turns: ShardWriter, each check with one worker, then with one per core where there are several."""
    counts = sorted({1, usable_cores()})
    return (
        Contender(writer=_SHARD_WRITER, workers=1),
        *(Contender(writer=check, workers=workers) for workers in counts for check in ("header", "decode")),
    )


def scores(num_images: int, trials: Mapping[Contender, Sequence[Trial]]) -> dict[Contender, Score]:
    """Compare the contenders, ShardWriter among them.

    Args:
        num_images: Images that each has packed.
        trials: Rounds of each.
    """
    rates = {who: num_images / statistics.median(trial.seconds for trial in rounds) for who, rounds in trials.items()}
    reference = next(rate for who, rate in rates.items() if who.writer == _SHARD_WRITER)
    return {
        who: Score(
            workers=who.workers,
            images_per_second=rates[who],
            ratio_to_shard_writer=rates[who] / reference,
            seconds=tuple(trial.seconds for trial in rounds),
            peak_anonymous_bytes=max(trial.peak_anonymous_bytes for trial in rounds),
        )
        for who, rounds in trials.items()
    }
