"""Tables and folder as they are read: the rows of all tables, and the image of each."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS, Annotations
from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import read_tables
from shards.labels.partition import split_of_name
from shards.labels.selection import Selection
from shards.packing.images import Images, Listing, find_twice, list_images, match_images
from shards.packing.names import SUFFIXES, is_hidden
from shards.packing.options import PackOptions
from shards.packing.splits import (
    parse_partition,
)
from shards.storage.folder import Files, is_url
from shards.storage.opening import as_path, is_zip, open_folder, open_images
from shards.storage.parquet_images import ParquetImages, parquet_files_of

_MOST_LOOKED_AT = 1000
_ARCHIVES = (b".zip", b".7z", b".7z.001", b".rar", b".tar", b".tar.gz", b".tgz")


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
            "missing --attributes, the table of labels (only Parquet files of this machine hold labels beside their images"
            f"{_parquet_below(options.images)}); see --help"
        )
    listing = list_images(source, on_listed)
    if not len(listing.names):
        raise DataError(f"{options.images}: is not a folder of images (there are no files in it, or no such folder)")
    _check_no_archive_inside(options.images, listing)
    inside = _names_inside(source, tables_given)
    if inside and options.key_column is not None:
        raise ConfigurationError(
            f"--key-column has no effect on {next(iter(inside))}, each row of which holds its image; leave it out "
            f"(--drop-columns {options.key_column!r} if that column is no attribute)"
        )
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
        tables = read_tables(files, selection, listing.means, inside)
    annotations = _appended(tables_given, tables)
    splits = _splits_of_tables(tables_given, tables) if kind == "tables" else None
    return Inputs(listing, annotations, splits, match_images(listing, annotations.files), tables_given)


def _names_inside(source: Files, tables: Sequence[str]) -> dict[str, list[str]]:
    """Return each table that holds the images as well -> their names."""
    inside = source.names() if isinstance(source, ParquetImages) else {}
    by_path = {os.path.realpath(file): names for file, names in inside.items()}
    return {table: by_path[os.path.realpath(table)] for table in tables if os.path.realpath(table) in by_path}


def _parquet_below(images: str) -> str:
    """Return, in words, the folder in a folder that holds Parquet files only, as repositories of data sets have it."""
    try:
        folders = [] if is_url(images) else sorted(str(entry) for entry in Path(images).iterdir() if parquet_files_of(str(entry)))
    except OSError:
        folders = []
    return f"; they lie in {folders[0]}" if folders else ""


def _check_no_archive_inside(images: str, listing: Listing) -> None:
    """Refuse a folder that holds an archive of the images in place of them."""
    names = [name for name in listing.names[:_MOST_LOOKED_AT].tolist() if not is_hidden(name)]
    archives = [name for name in names if name.lower().endswith(_ARCHIVES)]
    if archives and not any(name.lower().endswith(SUFFIXES) for name in names):
        name = archives[0].decode("utf-8", "backslashreplace")
        is_read = name.lower().endswith(".zip") and not is_zip(images)
        advice = f"name the archive: --images {images.rstrip('/')}/{name}" if is_read else "unpack it, and name the folder"
        raise DataError(f"{images}: holds {name} and no images; {advice}")


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
