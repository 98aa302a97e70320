"""What came of a packing, for the eye and as `summary.json`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shards.annotations import SPLITS
from shards.arrays import Arrays
from shards.command import one_line
from shards.packing.job import PackedShard
from shards.packing.options import PackOptions

SUMMARY = "summary.json"
_CHUNK = 1 << 16
_NARROW = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class AttributeSummary:
    """One label column, per split in the order train, val, test."""

    name: str
    """The attribute."""
    labelled: tuple[int, ...]
    """Samples that have the label."""
    positive: tuple[int, ...]
    """Samples whose label is 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The whole packing."""

    samples: dict[str, int]
    """Samples of each split."""
    shards: int
    """Tar files."""
    resumed_shards: int
    """Of these, how many an earlier, interrupted packing had finished."""
    image_bytes: int
    """Bytes of all images."""
    shard_bytes: int
    """Bytes of all tar files."""
    bad_images: int
    """Images and rows that were left out; they are listed in quarantine.csv."""
    seconds: float
    """From the start of the command to the last shard."""
    images_per_second: float
    """Images packed in this run (not the resumed ones), divided by `seconds`."""
    megabytes_per_second: float
    """Their bytes divided by `seconds`, in 10^6."""
    options: Mapping[str, object]
    """The flags."""
    attributes: tuple[AttributeSummary, ...]
    """The label columns."""


def summarise(
    options: PackOptions, attributes: Sequence[str], arrays: Arrays, packed: Sequence[PackedShard], num_bad: int, seconds: float
) -> Summary:
    """Count.

    Args:
        options: The flags.
        attributes: Names of the label columns.
        arrays: The filled arrays.
        packed: The shards.
        num_bad: What was left out.
        seconds: From the start to the last shard.
    """
    samples = {split: sum(shard.facts.samples for shard in packed if shard.facts.split == split) for split in SPLITS}
    labelled, positive = np.zeros((2, len(SPLITS), len(attributes)), np.int64)
    stops = np.cumsum(list(samples.values()))
    for code, stop in enumerate(stops):
        for start in range(stop - samples[SPLITS[code]], stop, _CHUNK):
            chunk = arrays.labels[start : min(start + _CHUNK, stop)]
            labelled[code] += (chunk >= 0).sum(0)
            positive[code] += (chunk == 1).sum(0)
    new = [shard for shard in packed if not shard.resumed]
    return Summary(
        samples=samples,
        shards=len(packed),
        resumed_shards=len(packed) - len(new),
        image_bytes=sum(shard.image_bytes for shard in packed),
        shard_bytes=sum(shard.facts.bytes for shard in packed),
        bad_images=num_bad,
        seconds=round(seconds, 3),
        images_per_second=round(sum(shard.facts.samples for shard in new) / seconds, 1),
        megabytes_per_second=round(sum(shard.image_bytes for shard in new) / seconds / 1e6, 2),
        options=dataclasses.asdict(options),
        attributes=tuple(
            AttributeSummary(name=name, labelled=tuple(labelled[:, column].tolist()), positive=tuple(positive[:, column].tolist()))
            for column, name in enumerate(attributes)
        ),
    )


def summary_json(summary: Summary) -> bytes:
    """Return the content of `summary.json`."""
    return (json.dumps(dataclasses.asdict(summary), indent=1) + "\n").encode()


def print_summary(folder: str, summary: Summary) -> None:
    """Print it: the whole in two lines, then the share of positive labels per attribute and split."""
    console = Console(highlight=False)
    num_samples = sum(summary.samples.values())
    counts = ", ".join(f"{split} {count:,}" for split, count in summary.samples.items())
    resumed = f" ({summary.resumed_shards} of them from before)" if summary.resumed_shards else ""
    # As `Text`, names keep what would be markup or an emoji.
    facts = f": {num_samples:,} samples ({counts}) in {summary.shards} shards{resumed}"
    console.print(Text.assemble((one_line(folder), "bold"), facts), soft_wrap=True)
    console.print(
        f"{summary.shard_bytes / 1e6:,.1f} MB in {summary.seconds:,.1f} s, {summary.images_per_second:,.0f} images/s, "
        f"{summary.megabytes_per_second:,.1f} MB/s",
        soft_wrap=True,
    )
    if summary.bad_images:
        console.print(f"[yellow]{summary.bad_images:,} bad images were left out; quarantine.csv lists them[/yellow]", soft_wrap=True)
    parts = 2 if len(summary.attributes) > 10 and console.width >= _NARROW else 1
    length = -(-len(summary.attributes) // parts)
    tables = [_rates(summary, summary.attributes[start : start + length]) for start in range(0, len(summary.attributes), length)]
    console.print(Columns(tables, padding=(0, 4)))


def _rates(summary: Summary, attributes: Sequence[AttributeSummary]) -> Table:
    """Positive labels among the labelled; the labelled share as well where some are not."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("positive labels, %", style="bold", no_wrap=True)
    for split in SPLITS:
        table.add_column(split, justify="right")
    for attribute in attributes:
        cells = [
            _cell(positive, labelled, summary.samples[split])
            for split, positive, labelled in zip(SPLITS, attribute.positive, attribute.labelled, strict=True)
        ]
        table.add_row(Text(attribute.name), *cells)
    return table


def _cell(positive: int, labelled: int, samples: int) -> str:
    if not labelled:
        return "-"
    of_all = "" if labelled == samples else f" [dim]of {labelled:,}[/dim]"
    return f"{100 * positive / labelled:.1f}{of_all}"
