"""`--dry-run`: what tables and folder were understood to say, and what would stop the packing; nothing is written."""

import dataclasses
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shards.annotations import SPLITS
from shards.command import one_line
from shards.errors import ConfigurationError, DataError, DropstreamError
from shards.image.check import check_image
from shards.image.header import BadImageError
from shards.packing.inputs import Inputs, read_inputs
from shards.packing.keys import keys_of
from shards.packing.options import PackOptions
from shards.packing.progress import Progress
from shards.packing.source import check_once, choose_splits, mismatch, notes_of, surplus_error
from shards.packing.summary import print_notes
from shards.storage.folder import UnreadableFileError
from shards.storage.opening import open_images

_LOOKED_AT = 64
"""Images whose headers are read, evenly spread."""
_MOST_ATTRIBUTES = 16
_MOST_EXAMPLES = 3
_MOST_SIZES = 4
_DEFAULT_SPLIT = "drawn: 70 % train, 15 % val, 15 % test"


@dataclass(frozen=True, kw_only=True, slots=True)
class AttributePreview:
    """One label column."""

    name: str
    """The attribute."""
    positive: int
    """Rows whose label is 1."""
    negative: int
    """Rows whose label is 0."""
    unlabelled: int
    """Rows without a label."""
    cells: tuple[str, ...]
    """What its first cells hold, each once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a packing would be made of."""

    key_column: str
    """Column that names the images; empty if it has no name."""
    rows: int
    """Rows of all tables."""
    matched: int
    """Rows that have an image."""
    rows_without_image: int
    """Rows whose image is not there."""
    rows_without_image_examples: tuple[str, ...]
    """The first of them."""
    images_without_row: int
    """Images that no row names."""
    images_without_row_examples: tuple[str, ...]
    """The first of them."""
    attributes: tuple[AttributePreview, ...]
    """The label columns."""
    split_source: str
    """Where the splits come from, in words."""
    splits: dict[str, int]
    """Images of each split; empty where they cannot be told."""
    image_bytes: int
    """Bytes of all images that rows name."""
    looked_at: int
    """Images whose header was read."""
    image_sizes: dict[str, int]
    """`WIDTH x HEIGHT` -> how many of these, the most frequent first."""
    bad_images: tuple[str, ...]
    """What was wrong with the others of them."""
    notes: tuple[str, ...]
    """What was guessed, and what looks odd, in words."""
    problems: tuple[str, ...]
    """What would stop the packing, in words."""
    command: str
    """The command to pack."""


def preview(options: PackOptions) -> None:
    """Print what would be packed, as a page or as JSON.

    Raises:
        ConfigurationError: The flags name what is not there.
        DataError: An input is missing or damaged; or something would stop the packing, and the page tells it too.
    """
    with Progress() as progress:
        inputs = read_inputs(options, progress.listed)
        found, problem = _look(options, inputs)
    if options.json:
        print(json.dumps(dataclasses.asdict(found), indent=1))
    else:
        _print(options.images, inputs.tables, found)
    if problem is not None:
        raise problem


def _look(options: PackOptions, inputs: Inputs) -> tuple[Preview, DropstreamError | None]:
    annotations, images = inputs.annotations, inputs.images
    found = images.files != b""
    missing = annotations.files[~found]
    problems = list(_problems(options, inputs, missing))
    splits, split_notes = np.array([], np.uint8), tuple[str, ...]()
    if found.any() and not problems:
        try:
            check_once(annotations, images)
            splits, split_notes = choose_splits(options, inputs, found, keys_of(images.files[found]))
        except (DataError, ConfigurationError) as error:
            problems.append(error)
    sizes, bad = _look_at_images(options, images.files[found])
    if bad and options.on_bad_image != "quarantine":
        problems.append(DataError(f"{options.images}/{bad[0]} ({len(bad)} of {len(bad) + sizes.total()} images looked at are bad)"))
    return Preview(
        key_column=annotations.key_column,
        rows=len(found),
        matched=int(found.sum()),
        rows_without_image=len(missing),
        rows_without_image_examples=_examples(missing),
        images_without_row=len(images.surplus),
        images_without_row_examples=_examples(images.surplus),
        attributes=tuple(_attributes(inputs)),
        split_source=_DEFAULT_SPLIT if options.partition is None else f"--partition {shlex.join(options.partition)}",
        splits={split: int((splits == code).sum()) for code, split in enumerate(SPLITS)} if len(splits) else {},
        image_bytes=int(images.sizes.sum()),
        looked_at=sizes.total() + len(bad),
        image_sizes=dict(sizes.most_common()),
        bad_images=tuple(bad),
        notes=notes_of(inputs, split_notes),
        problems=tuple(str(problem) for problem in problems),
        command=_command(options),
    ), problems[0] if problems else None


def _problems(options: PackOptions, inputs: Inputs, missing: NDArray[np.bytes_]) -> Iterator[DropstreamError]:
    quarantine = options.on_bad_image == "quarantine"
    if len(missing) and (not quarantine or 2 * len(missing) > len(inputs.annotations.files)):
        yield mismatch(options, inputs, missing)
    elif len(inputs.images.surplus) and not quarantine:
        yield surplus_error(options, inputs.images.surplus)


def _attributes(inputs: Inputs) -> Iterator[AttributePreview]:
    annotations = inputs.annotations
    for place, name in enumerate(annotations.attributes):
        labels = annotations.labels[:, place]
        positive, negative = int((labels == 1).sum()), int((labels == 0).sum())
        yield AttributePreview(
            name=name,
            positive=positive,
            negative=negative,
            unlabelled=len(labels) - positive - negative,
            cells=annotations.cells[place] if annotations.cells else (),
        )


def _look_at_images(options: PackOptions, files: NDArray[np.bytes_]) -> tuple[Counter[str], list[str]]:
    chosen = files[np.unique(np.linspace(0, len(files) - 1, min(_LOOKED_AT, len(files)), dtype=np.int64))] if len(files) else files
    names = [name.decode("utf-8", "surrogateescape") for name in chosen.tolist()]
    folder = open_images(options.images, names)
    sizes, bad = Counter[str](), list[str]()
    for name in names:
        try:
            header = check_image(next(folder.read_many([name])), decode=False)
            sizes[f"{header.width} x {header.height}"] += 1
        except (BadImageError, UnreadableFileError) as error:
            bad.append(f"{name}: {error}")
    return sizes, bad


def _examples(names: NDArray[np.bytes_]) -> tuple[str, ...]:
    return tuple(name.decode("utf-8", "backslashreplace") for name in names[:_MOST_EXAMPLES].tolist())


def _command(options: PackOptions) -> str:
    words = ["tools/make_shards"]
    for key in fields(options):
        value = getattr(options, key.name)
        if key.name in ("dry_run", "json") or (key.default is not MISSING and value == key.default):
            continue
        flag = f"--{key.name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, *(value if isinstance(value, tuple) else (str(value),))]
    return shlex.join(words)


def _print(images: str, tables: Sequence[str], found: Preview) -> None:
    console = Console(highlight=False)
    key = f"column {found.key_column!r} names the image" if found.key_column else "the first column names the image"
    console.print(Text.assemble((one_line(", ".join(tables)), "bold"), f": {found.rows:,} rows; {one_line(key)}"), soft_wrap=True)
    size = f"{found.image_bytes / 1e6:,.1f} MB"
    console.print(Text.assemble((one_line(images), "bold"), f": {found.matched:,} of these rows have an image ({size})"), soft_wrap=True)
    for count, examples, what in (
        (found.rows_without_image, found.rows_without_image_examples, "rows without an image"),
        (found.images_without_row, found.images_without_row_examples, "images without a row"),
    ):
        if count:
            more = ", …" if count > len(examples) else ""
            console.print(Text(one_line(f"{what}: {count:,} ({', '.join(examples)}{more})"), "yellow"), soft_wrap=True)
    counts = ", ".join(f"{split} {count:,}" for split, count in found.splits.items()) or "cannot be told"
    console.print(Text(one_line(f"splits: {counts} ({found.split_source})")), soft_wrap=True)
    console.print(Text(one_line(f"image sizes: {_sizes(found)}")), soft_wrap=True)
    for bad in found.bad_images[:_MOST_EXAMPLES]:
        console.print(Text(one_line(f"bad image: {bad}"), "yellow"), soft_wrap=True)
    print_notes(console, found.notes)
    console.print(_table(found.attributes))
    if more := len(found.attributes) - _MOST_ATTRIBUTES:
        console.print(f"… and {more} more attributes (--json lists all)" if more > 0 else "", end="\n" if more > 0 else "")
    if not found.problems:
        console.print(Text.assemble("to pack: ", (one_line(found.command), "bold")), soft_wrap=True)


def _sizes(found: Preview) -> str:
    shown = [f"{size}{f' ({count})' if len(found.image_sizes) > 1 else ''}" for size, count in found.image_sizes.items()]
    more = f" and {len(shown) - _MOST_SIZES} more" if len(shown) > _MOST_SIZES else ""
    return f"{', '.join(shown[:_MOST_SIZES]) or 'none'}{more}; {found.looked_at} looked at"


def _table(attributes: Sequence[AttributePreview]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("attribute", style="bold", no_wrap=True)
    for name in ("positive, %", "labelled"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("cells")
    for attribute in attributes[:_MOST_ATTRIBUTES]:
        labelled = attribute.positive + attribute.negative
        rate = f"{100 * attribute.positive / labelled:.1f}" if labelled else "-"
        cells = ", ".join(cell or repr(cell) for cell in attribute.cells)
        table.add_row(Text(one_line(attribute.name)), rate, f"{labelled:,}", Text(one_line(cells)))
    return table
