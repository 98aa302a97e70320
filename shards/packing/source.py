"""What is to be packed: annotations, images and splits brought together, checked against each other."""

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS, Annotations
from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import read_tables
from shards.labels.partition import read_list, read_partition, split_codes, split_of_name
from shards.labels.selection import Selection
from shards.packing.images import Images, Listing, find_twice, list_images, match_images
from shards.packing.job import BadImage
from shards.packing.keys import key_of, keys_of, shown
from shards.packing.mismatch import advice, several_fit, surplus_advice
from shards.packing.names import SUFFIXES, is_hidden
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
from shards.storage.folder import Files
from shards.storage.opening import as_path, is_zip, open_folder, open_images
from shards.storage.parquet_images import ParquetImages

_MOST_LOOKED_AT = 1000
_ARCHIVES = (b".zip", b".7z", b".7z.001", b".rar", b".tar", b".tar.gz", b".tgz")


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


@dataclass(frozen=True, slots=True)
class Inputs:
    """Tables and folder as they were read, not yet checked against each other."""

    listing: Listing
    """All files of the folder."""
    annotations: Annotations
    """The rows of all tables."""
    table_splits: NDArray[np.uint8] | None
    """[N] split of each row's table, with `--partition tables`."""
    images: Images
    """The image of each row."""
    tables: tuple[str, ...]
    """What messages call the tables."""


def read_inputs(options: PackOptions, on_listed: Callable[[int], None]) -> Inputs:
    """List the folder, read the tables and find each row's image.

    Raises:
        DataError: An input is missing or damaged.
        ConfigurationError: A URL or a column cannot be used.
    """
    source = open_images(options.images)
    tables_given = options.attributes or tuple(source.tables() if isinstance(source, ParquetImages) else ())
    if not tables_given:
        raise ConfigurationError(
            "missing --attributes, the table of labels (only Parquet files hold labels beside their images); see --help"
        )
    listing = list_images(source, on_listed)
    if not len(listing.names):
        raise DataError(f"{options.images}: is not a folder of images (there are no files in it, or no such folder)")
    _check_no_archive_inside(options.images, listing)
    kind, given = parse_partition(options.partition or ())
    selection = Selection(
        key_column=options.key_column,
        columns=options.columns or (),
        drop_columns=options.drop_columns or (),
        values=options.values or (),
        split_column=given[0] if kind == "column" else None,
        group_column=options.group_column,
    )
    with ExitStack() as fetched:
        files = [(fetched.enter_context(local_file(url)), url) for url in tables_given]
        tables = read_tables(files, selection, listing.means, _names_inside(source, tables_given))
    annotations = _appended(tables_given, tables)
    splits = _splits_of_tables(tables_given, tables) if kind == "tables" else None
    return Inputs(listing, annotations, splits, match_images(listing, annotations.files), tables_given)


def _names_inside(source: Files, tables: Sequence[str]) -> dict[str, list[str]]:
    """Return each table that holds the images as well -> their names."""
    inside = source.names() if isinstance(source, ParquetImages) else {}
    by_path = {os.path.realpath(file): names for file, names in inside.items()}
    return {table: by_path[os.path.realpath(table)] for table in tables if os.path.realpath(table) in by_path}


def _check_no_archive_inside(images: str, listing: Listing) -> None:
    """Refuse a folder that holds an archive of the images in place of them."""
    names = [name for name in listing.names[:_MOST_LOOKED_AT].tolist() if not is_hidden(name)]
    archives = [name for name in names if name.lower().endswith(_ARCHIVES)]
    if archives and not any(name.lower().endswith(SUFFIXES) for name in names):
        name = archives[0].decode("utf-8", "backslashreplace")
        is_read = name.lower().endswith(".zip") and not is_zip(images)
        advice = f"name the archive: --images {images.rstrip('/')}/{name}" if is_read else "unpack it, and name the folder"
        raise DataError(f"{images}: holds {name} and no images; {advice}")


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


def _appended(urls: Sequence[str], tables: Sequence[Annotations]) -> Annotations:
    """Return several tables as one."""
    first, *others = tables
    if not others:
        return first
    labels = [first.labels]
    for url, table in zip(urls[1:], others, strict=True):
        if sorted(table.attributes) != sorted(first.attributes):
            differing = sorted(set(table.attributes) ^ set(first.attributes))
            raise DataError(
                f"{url}: has other attributes than {urls[0]}, {differing[0]!r} for example; choose those that both have with --columns"
            )
        labels.append(table.labels[:, [table.attributes.index(name) for name in first.attributes]])
    files = np.concatenate([table.files for table in tables])
    if twice := find_twice(files):
        bounds = np.cumsum([len(table.files) for table in tables])
        one, other = (urls[int(np.searchsorted(bounds, place, "right"))] for place in twice)
        raise DataError(f"{other}: {files[twice[1]].decode()} stands in {one} too; remove one")
    splits = [table.splits for table in tables if table.splits is not None]
    groups = [table.groups for table in tables if table.groups is not None]
    return Annotations(
        attributes=first.attributes,
        files=files,
        labels=np.concatenate(labels),
        splits=np.concatenate(splits) if splits else None,
        groups=np.concatenate(groups) if groups else None,
        key_column=first.key_column,
        cells=first.cells,
        notes=tuple(note for table in tables for note in table.notes),
    )


def _splits_of_tables(urls: Sequence[str], tables: Sequence[Annotations]) -> NDArray[np.uint8]:
    codes: list[NDArray[np.uint8]] = []
    for url, table in zip(urls, tables, strict=True):
        code = split_of_name(url)
        if code is None:
            raise ConfigurationError(f"--partition tables: the name of {url} tells no split; expected one of {', '.join(SPLITS)} in it")
        codes.append(np.full(len(table.files), code, np.uint8))
    return np.concatenate(codes)


def _in_a_file(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array memory-mapped from a nameless temporary file: while shards are packed, memory does not grow with their number."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(np.ascontiguousarray(array).data)
            file.flush()
            return np.memmap(file, array.dtype, "r", shape=array.shape)
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error


@contextmanager
def local_file(url: str) -> Iterator[Path]:
    """Give a file, on this machine or at a URL, as one of this machine for the length of the block."""
    folder, slash, name = url.rpartition("/")
    with open_folder(folder or slash or ".").fetch(name) as path:
        yield path


def absolute(url: str) -> str:
    """Return the path or URL as a process in another folder may use it."""
    url = as_path(url)
    inside, chain, archive = url.rpartition("::")
    if chain:
        return f"{inside}{chain}{absolute(archive)}"
    return url if "://" in url else os.path.abspath(url)  # noqa: PTH100 (resolve would follow links)


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
