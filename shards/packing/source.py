"""What is to be packed: annotations, images and splits brought together, checked against each other."""

import ctypes
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.annotations import Annotations
from shards.errors import DataError
from shards.labels.partition import read_list, read_partition, split_codes
from shards.packing.images import Images, find_twice
from shards.packing.inputs import Inputs, local_file, read_inputs
from shards.packing.job import BadImage
from shards.packing.keys import key_of, keys_of, shown
from shards.packing.mismatch import advice, several_fit, surplus_advice
from shards.packing.options import PackOptions
from shards.packing.quarantine import NO_IMAGE, NO_ROW
from shards.packing.splits import (
    check_groups,
    folder_splits,
    given_splits,
    listed_splits,
    parse_partition,
    random_group_splits,
    random_splits,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """N samples with A attributes, in no particular order."""

    attributes: tuple[str, ...]
    """Attribute names."""
    files: NDArray[np.bytes_]
    """[N] image files."""
    keys: NDArray[np.bytes_]
    """[N]."""
    labels: NDArray[np.int8]
    """[N, A]."""
    splits: NDArray[np.uint8]
    """[N] split codes."""
    sizes: NDArray[np.int64]
    """[N] bytes of each image."""
    versions: NDArray[np.uint32]
    """[N]: changes when an image may have changed."""
    unmatched: tuple[BadImage, ...]
    """Rows without an image and images without a row; there are none unless bad images are quarantined."""
    key_column: str
    """Column that names the images; empty if it has no name."""
    notes: tuple[str, ...]
    """What was guessed on the way, and what looks odd, in words."""

    def versions_digest(self, rows: NDArray[np.int64]) -> str:
        """Return a hash of the times of modification of these rows' images: while it is the same, nobody has touched them."""
        return hashlib.sha256(self.versions[rows].tobytes()).hexdigest()


def read_source(options: PackOptions, on_listed: Callable[[int], None]) -> Source:
    """Read what the options name.

    Args:
        options: What the user asked for.
        on_listed: Called now and then with the number of images found so far.

    Raises:
        DataError: An input is missing, damaged or inconsistent.
        ConfigurationError: A URL or a column cannot be used.
    """
    source = _read(options, on_listed)
    # glibc keeps what was freed, here the tables before they were sorted; the shards are packed without that.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    return source


def _read(options: PackOptions, on_listed: Callable[[int], None]) -> Source:
    inputs = read_inputs(options, on_listed)
    annotations, images = inputs.annotations, inputs.images
    unmatched = tuple(_unmatched(options, inputs))
    found = images.files != b""
    if not found.any():
        raise DataError(f"{options.images}: holds none of the images that {', '.join(inputs.tables)} names")
    files = images.files[found]
    check_once(annotations, images)
    keys = keys_of(files)
    splits, split_notes = choose_splits(options, inputs, found, keys)
    return Source(
        attributes=annotations.attributes,
        files=_in_a_file(files),
        keys=_in_a_file(keys),
        labels=_in_a_file(annotations.labels[found]),
        splits=splits,
        sizes=_in_a_file(images.sizes[found]),
        versions=_in_a_file(images.versions[found]),
        unmatched=unmatched,
        key_column=annotations.key_column,
        notes=notes_of(inputs, split_notes),
    )


def notes_of(inputs: Inputs, split_notes: Sequence[str]) -> tuple[str, ...]:
    """Return everything that was guessed, in words, each once."""
    hidden = inputs.images.num_hidden
    passed_over = (
        [f"{hidden:,} hidden or system files were passed over" if hidden > 1 else "1 hidden or system file was passed over"]
        if hidden
        else []
    )
    return tuple(dict.fromkeys([*inputs.annotations.notes, *inputs.images.notes, *passed_over, *split_notes]))


def choose_splits(
    options: PackOptions, inputs: Inputs, found: NDArray[np.bool_], keys: NDArray[np.bytes_]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the split codes of the rows that have an image, and what was guessed.

    Args:
        options: What the user asked for.
        inputs: Tables and folder.
        found: [N] rows that have an image.
        keys: Their keys.

    Raises:
        DataError: An image has no split, or what says so is missing or damaged.
    """
    annotations = inputs.annotations
    if options.partition is not None:
        return _given(options, options.partition, inputs, found)
    if annotations.groups is None or options.group_column is None:
        return random_splits(keys, options.seed), ()
    check_groups(annotations.groups[found], options.group_column)
    return random_group_splits(annotations.groups[found], options.seed), ()


def _given(
    options: PackOptions, partition: Sequence[str], inputs: Inputs, found: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    annotations, listing, files = inputs.annotations, inputs.listing, inputs.images.files[found]
    kind, given = parse_partition(partition)
    if kind == "tables" and inputs.table_splits is not None:
        return inputs.table_splits[found], ()
    if kind == "folders":
        return folder_splits(options.images.rstrip("/"), files), ()
    if kind == "column" and annotations.splits is not None:
        return split_codes(given[0], annotations.splits[found], ", ".join(inputs.tables))
    if kind == "lists":
        lists = []
        for code, url in given.items():
            with local_file(url) as path:
                lists.append((code, url, read_list(path, name=url, means=listing.means)))
        return listed_splits(listing, files, lists)
    with local_file(given[0]) as path:
        read = read_partition(path, name=given[0], means=listing.means)
    return given_splits(listing, files, read, given[0]), read.notes


def check_once(annotations: Annotations, images: Images) -> None:
    """Refuse two rows that mean one file: spelt alike but for a suffix or a folder.

    Raises:
        DataError: There are such rows.
    """
    rows = np.flatnonzero(images.files != b"")
    if twice := find_twice(images.files[rows]):
        first, second = (shown(annotations.files[rows[place]]) for place in twice)
        raise DataError(
            f"rows {first} and {second} both mean the file {shown(images.files[rows[twice[0]]])}; remove one, or write its path"
        )


def _in_a_file(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array memory-mapped from a nameless temporary file: while shards are packed, memory does not grow with their number."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(np.ascontiguousarray(array).data)
            file.flush()
            return np.memmap(file, array.dtype, "r", shape=array.shape)
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error


def _unmatched(options: PackOptions, inputs: Inputs) -> Iterator[BadImage]:
    annotations, images = inputs.annotations, inputs.images
    missing = annotations.files[images.files == b""]
    quarantine = options.on_bad_image == "quarantine"
    if len(missing) and (not quarantine or 2 * len(missing) > len(annotations.files)):
        raise mismatch(options, inputs, missing)
    if quarantine:
        yield from (_rejected(name, NO_IMAGE) for name in missing.tolist())
        yield from (_rejected(name, NO_ROW) for name in images.surplus.tolist())
    elif len(images.surplus):
        raise surplus_error(options, images.surplus)


def surplus_error(options: PackOptions, surplus: NDArray[np.bytes_]) -> DataError:
    """Return the error for images without a row."""
    return DataError(
        f"{options.images}: holds {len(surplus)} images that the attribute file does not name, "
        f"first {shown(surplus[0])}{surplus_advice(surplus)}; --on-bad-image quarantine packs what matches"
    )


def mismatch(options: PackOptions, inputs: Inputs, missing: NDArray[np.bytes_]) -> DataError:
    """Return the error for rows without an image: what they and the files look like, and what would make them meet."""
    num_rows = len(inputs.annotations.files)
    few = 2 * len(missing) <= num_rows
    hint = several_fit(inputs.listing, missing) if few else advice(options.images, inputs.listing, missing)
    hint = hint or ("; --on-bad-image quarantine packs what matches" if few else "")
    return DataError(
        f"{options.images}: lacks {len(missing)} of the {num_rows} images that the attribute file names, first {shown(missing[0])}{hint}"
    )


def _rejected(file: bytes, reason: str) -> BadImage:
    return BadImage(key=key_of(file).decode("utf-8", "backslashreplace"), file=file.decode("utf-8", "backslashreplace"), reason=reason)
