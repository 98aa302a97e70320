"""What `tools/benchmark loader` prints."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.benchmarks.loader.contenders import READING, Contender
from tools.benchmarks.loader.many import Many
from tools.benchmarks.loader.options import LoaderBenchmark
from tools.benchmarks.loader.score import Score
from tools.benchmarks.loader.work import Work

_WIDTH = 110
"""Columns that the table needs."""
_BUSY = 0.5
"""Load average that a machine at rest stays below."""
_REMARKS = (
    "All: warm page cache; full shuffled batches of float32 planes (one row: channels-last) and int8 labels;",
    "starting and the first batches are off the clock; epochs follow each other without a stop, except litdata's.",
    "dropstream: a permutation of all samples in each epoch, every image's checksum compared. Nobody else checks.",
    "DALI's webdataset reader: shuffles through a buffer of 1,024 samples.",
    "torch DataLoader + PIL: permutes all samples; a file per image.",
    "webdataset + PIL: shuffles shards, then through a buffer of 1,000 samples; the same transforms as torch + PIL.",
    "litdata: the same JPEGs in its own chunks, chunks and their samples shuffled; torchvision's decoder, tensor transforms.",
    "spdl: permutes all samples; a file per image; FFmpeg decodes and scales, torch normalises.",
    "libjpeg-turbo: decodes images that lie in memory, on as many threads, and drops the pixels.",
    "RssAnon: of all processes together; pages that workers share count for each, their batches in shared memory do not.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that was measured."""

    work: Work
    """What the contenders were told."""
    options: LoaderBenchmark
    """What the benchmark was told."""
    load_before: float
    """Processes that wanted a core in the minute before: others' work, which the figures suffer from."""
    scores: Mapping[Contender, Score]
    """Of those that have run, the parts measured alone included."""
    absent: Mapping[Contender, str]
    """What the others lack."""
    failures: Mapping[Contender, str]
    """How some failed."""
    many: Many | None
    """Our loader on many samples, if that was wanted."""


def print_report(report: Report) -> None:
    """Print a table, the figures that are no contender's, who is missing, and remarks."""
    # A narrow window may break the lines, but not cut the figures.
    console = Console(highlight=False, width=max(Console().width, _WIDTH))
    console.print(_title(report))
    console.print(_table(report))
    for line in (*_busy(report), *_reading(report), *_many(report), *_missing(report), *_REMARKS):
        print(line)


def _title(report: Report) -> str:
    options, threads, repeats = report.options, report.work.threads, report.options.repeats
    return (
        f"{options.num_images:,} images, batches of {options.batch_size} at {options.image_size} x {options.image_size}, {threads} "
        f"{'threads or processes' if threads > 1 else 'thread or process'} each, medians of {repeats} round{'s' * (repeats > 1)} in turn"
    )


def _table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "workers", "images/s", "min-max", "torch", "DALI", "decoding", "RssAnon, MB"):
        table.add_column(column if column not in {"torch", "DALI"} else f"x {column}", justify="right" if column else "left", no_wrap=True)
    for contender, score in report.scores.items():
        if contender == READING:
            continue
        table.add_row(
            contender.title,
            f"{report.work.threads} {contender.works_in}",
            f"{score.images_per_second:,.0f}",
            f"{min(score.rounds):,.0f}-{max(score.rounds):,.0f}",
            _cell(score.ratio_to_torch, ".2f"),
            _cell(score.ratio_to_dali, ".2f"),
            _cell(score.share_of_decoding, ".0%"),
            f"{score.peak_anonymous_bytes / 1e6:,.0f}",
        )
    return table


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _busy(report: Report) -> list[str]:
    busy = report.load_before > _BUSY
    return [f"The machine was busy before the start (load average {report.load_before:.1f}): measure again when it is not."] if busy else []


def _reading(report: Report) -> list[str]:
    score = report.scores.get(READING)
    return [] if score is None else [f"{READING.title}: {score.images_per_second:,.0f} samples/s on one thread"]


def _many(report: Report) -> list[str]:
    many = report.many
    if many is None:
        return []
    first, loader = statistics.median(many.first_batch_seconds), statistics.median(many.loader_seconds)
    return [
        f"first batch of {many.samples:,} samples: {first:.3f} s with the opening of the data set, {loader:.3f} s without",
        f"RssAnon of dropstream after {many.batches} batches: {many.small_peak_anonymous_bytes / 1e6:,.0f} MB of "
        f"{report.options.num_images:,} samples, {many.peak_anonymous_bytes / 1e6:,.0f} MB of {many.samples:,}, {many.ratio:.2f} times",
    ]


def _missing(report: Report) -> list[str]:
    absent = [f"{contender.title}: absent ({reason})" for contender, reason in report.absent.items()]
    return absent + [f"{contender.title}: failed ({reason})" for contender, reason in report.failures.items()]
