"""Our loader on many samples: how soon the first batch is there, and whether memory grows with the data set."""

import dataclasses
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.benchmarks.loader.contenders import CONTENDERS
from tools.benchmarks.loader.rounds import run_one
from tools.benchmarks.loader.work import Work
from tools.benchmarks.trial import run_trial

_START = "tools.benchmarks.loader.start_trial"


@dataclass(frozen=True, kw_only=True, slots=True)
class Many:
    """The figures, next to those of the comparison's data set."""

    samples: int
    """Samples of the large data set."""
    first_batch_seconds: tuple[float, ...]
    """Of each round: opening the data set, making the loader, first batch."""
    loader_seconds: tuple[float, ...]
    """Of these without the opening."""
    batches: int
    """Batches after which memory was compared."""
    peak_anonymous_bytes: int
    """Most RssAnon of the process, median of the rounds."""
    small_peak_anonymous_bytes: int
    """The same with the comparison's data set."""
    ratio: float
    """The former divided by the latter."""


def measure_many(work: Work, shards: Path, samples: int, repeats: int, tell: Callable[[str], None]) -> Many:
    """Measure in turns, each time in a process of its own.

    Args:
        work: The comparison's.
        shards: The large data set.
        samples: Samples in it.
        repeats: Rounds.
        tell: Is told what is going on.

    Raises:
        TrialError: A process failed.
    """
    # A fixed number of batches: memory that grew with time would otherwise be taken for memory that grows with the data set.
    small = dataclasses.replace(work, seconds=0.0)
    large = dataclasses.replace(small, shards=str(shards))
    starts, peaks, small_peaks = [], [], []
    for number in range(repeats):
        tell(f"round {number + 1} of {repeats}: {samples:,} samples")
        starts.append(run_trial(_START, large.to_json()))
        peaks.append(run_one(CONTENDERS[0], large).peak_anonymous_bytes)
        small_peaks.append(run_one(CONTENDERS[0], small).peak_anonymous_bytes)
    peak, small_peak = int(statistics.median(peaks)), int(statistics.median(small_peaks))
    return Many(
        samples=samples,
        first_batch_seconds=tuple(start.seconds for start in starts),
        loader_seconds=tuple(start.figures["loader_seconds"] for start in starts),
        batches=work.warmup_batches + work.batches,
        peak_anonymous_bytes=peak,
        small_peak_anonymous_bytes=small_peak,
        ratio=peak / small_peak,
    )
