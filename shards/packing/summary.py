"""What came of a packing, for the eye and as `summary.json`."""

import dataclasses
import json
from collections import Counter
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
from shards.packing.job import BadImage, PackedShard
from shards.packing.options import PackOptions
from shards.packing.quarantine import NO_IMAGE, NO_ROW, QUARANTINE

SUMMARY = "summary.json"
_CHUNK = 1 << 16
_NARROW = 100
_MOST_ATTRIBUTES = 40


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
    """Images that have a row and cannot be read as images; with those of the two fields below they are listed in quarantine.csv."""
    rows_without_image: int
    """Rows whose image is not there."""
    images_without_row: int
    """Images that no row names."""
    seconds: float
    """From the start of the command to the last shard."""
    images_per_second: float
    """Images packed in this run (not the resumed ones), divided by `seconds`."""
    megabytes_per_second: float
    """Their bytes divided by `seconds`, in 10^6."""
    options: Mapping[str, object]
    """The flags."""
    source_versions: str = ""
    """Hash of the images' times of modification: by it the same command sees later whether anybody has touched them."""
    key_column: str = ""
    """Column that named the images; empty if it has no name."""
    notes: tuple[str, ...] = ()
    """What was guessed when tables and folder were read, and what looks odd, in words."""
    attributes: tuple[AttributeSummary, ...]
    """The label columns."""


def summarise(
    options: PackOptions, attributes: Sequence[str], arrays: Arrays, packed: Sequence[PackedShard], bad: Sequence[BadImage], seconds: float
) -> Summary:
    """Count.

    Args:
        options: The flags.
        attributes: Names of the label columns.
        arrays: The filled arrays.
        packed: The shards.
        bad: What was left out.
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
    reasons = Counter(image.reason for image in bad)
    return Summary(
        samples=samples,
        # A shard all of whose images were bad is not there.
        shards=sum(shard.facts.samples > 0 for shard in packed),
        resumed_shards=len(packed) - len(new),
        image_bytes=sum(shard.image_bytes for shard in packed),
        shard_bytes=sum(shard.facts.bytes for shard in packed),
        bad_images=len(bad) - reasons[NO_IMAGE] - reasons[NO_ROW],
        rows_without_image=reasons[NO_IMAGE],
        images_without_row=reasons[NO_ROW],
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
    print_notes(console, summary.notes)
    if left_out := _left_out(summary):
        console.print(f"[yellow]left out: {left_out}; {QUARANTINE} lists them[/yellow]", soft_wrap=True)
    shown = summary.attributes[:_MOST_ATTRIBUTES]
    parts = 2 if len(shown) > 10 and console.width >= _NARROW else 1
    length = -(-len(shown) // parts)
    tables = [_rates(summary, shown[start : start + length]) for start in range(0, len(shown), length)]
    console.print(Columns(tables, padding=(0, 4)))
    if more := len(summary.attributes) - len(shown):
        console.print(f"… and {more:,} more in {SUMMARY}", soft_wrap=True)


def print_notes(console: Console, notes: Sequence[str]) -> None:
    """Print what was guessed, a line each; what looks odd in yellow."""
    for note in notes:
        style = "yellow" if note.startswith("warning") else "dim"
        console.print(Text(one_line(note), style), soft_wrap=True)


def _left_out(summary: Summary) -> str:
    counts = (
        (summary.bad_images, "bad image", "bad images"),
        (summary.rows_without_image, "row without an image", "rows without an image"),
        (summary.images_without_row, "image without a row", "images without a row"),
    )
    return ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count)


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
