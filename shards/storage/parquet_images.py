"""Images inside Parquet files, as Hugging Face's datasets come, read as if they were files."""

import os
import re
import tempfile
import weakref
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from shards.characters import CONTROL
from shards.errors import DataError
from shards.image.header import MAX_BYTES
from shards.storage.folder import MAX_FILE_BYTES, FileInfo, UnreadableFileError, leads_out
from shards.storage.parquet_file import SUFFIX, ImageColumn, cells_of, find_image_column, holds_lists_of_images, opened, parts_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_MOST_ROWS = 64
"""Most images that are taken out at a time."""
_BESIDE = (".md", ".json", ".txt", ".yaml", "license")
"""How the names of files end that data sets have beside their Parquet files, lower case."""
_NO_IMAGE = "holds no image (null, or a path without the image's bytes); embed the image, or remove the row"


class ParquetImages:
    """The images of one file, or of all files in a folder.

    An image has the name that its row gives as its path, if every row of all files gives one that may name a file, and no two are alike;
    else the file's name without its suffix and the number of the row, from 0: `train-00000/000123`.

    A process reads the names once, and again when a file has changed: 0.1 KB of memory for each image. Reading takes the memory of the
    images of one row group, compressed, and of 64 MiB of them decompressed.

    With `wanted` it takes disk as well. The images are read in another order than they lie, so those that are wanted are first copied
    into a nameless file in the folder for temporary files (TMPDIR), in one pass over the row groups that hold them. Packing wants one
    shard's images at a time in each worker; each shard therefore costs such a pass.
    """

    def __init__(self, url: str, wanted: Sequence[str] = ()) -> None:
        """Name them; nothing is read yet.

        Args:
            url: A file, or a folder of files, of this machine.
            wanted: Names of the images that will be read.
        """
        self.url = url
        self._wanted = wanted
        self._gathered: _Gathered | None = None

    def tables(self) -> list[str]:
        """Return the files, sorted by name."""
        return [self.url] if Path(self.url).is_file() else parquet_files_of(self.url)

    def names(self) -> dict[str, list[str]]:
        """Return each file -> its images' names, row by row.

        Raises:
            DataError: A file is damaged, or holds no images.
        """
        facts = [Path(file).stat() for file in self.tables()]
        return _names(tuple(self.tables()), tuple((fact.st_size, fact.st_mtime_ns) for fact in facts))

    def list(self) -> Iterator[FileInfo]:
        """Yield all images. One that is missing has no bytes, and cannot be read.

        Raises:
            DataError: A file is damaged, or no row holds an image.
        """
        found = False
        for file, names in self.names().items():
            for row, image in _images(file, range(len(names))):
                if image is None:
                    yield FileInfo(names[row], 0, "")
                    continue
                found = True
                # Of one that is too large the size is enough: it is never read.
                yield FileInfo(names[row], len(image), f"{zlib.crc32(image):08x}" if len(image) <= MAX_BYTES else "")
        if not found:
            raise DataError(f"{self.url}: no row holds an image, at most a path to it; pack the folder where the images lie, or embed them")

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the images.

        Raises:
            DataError: A file is damaged, or the disk is full.
            UnreadableFileError: There is no such image, or only a path to it.
        """
        if self._gathered is None or not self._gathered.asked.issuperset(names):
            self._gathered = _gather(self.names(), frozenset([*names, *self._wanted]))
            weakref.finalize(self, self._gathered.file.close)
        for name in names:
            if name in self._gathered.refused:
                raise UnreadableFileError(self._gathered.refused[name])
            if name not in self._gathered.places:
                raise UnreadableFileError(f"{self.url}: {name}: cannot be read (no such image in it)")
            yield self._gathered.read(name)


def parquet_files_of(folder: str) -> list[str]:
    """Return the Parquet files in a folder, sorted by name; none if it holds other files than these, hidden ones and texts beside them.

    A folder that cannot be read has none.
    """
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.lower()
                if name.startswith("."):
                    continue
                if name.endswith(SUFFIX) and entry.is_file():
                    found.append(os.path.join(folder, entry.name))  # noqa: PTH118 (as the user wrote it)
                elif not name.endswith(_BESIDE):
                    # A folder of images is known by its first.
                    return []
    except OSError:
        return []
    return sorted(found)


class _Gathered(NamedTuple):
    """Images in the order in which they were found, in a nameless file."""

    file: BinaryIO
    asked: frozenset[str]
    """Names that were looked for."""
    places: dict[str, tuple[int, int]]
    """Name -> where it begins, and its bytes."""
    refused: dict[str, str]
    """Name -> why it is not there."""

    def read(self, name: str) -> bytes:
        at, size = self.places[name]
        self.file.seek(at)
        return self.file.read(size)


def _gather(names: Mapping[str, Sequence[str]], asked: frozenset[str]) -> _Gathered:
    """Copy images out of their files, in one pass over the row groups that hold them."""
    try:
        with ExitStack() as until_it_fails:
            gathered = _Gathered(until_it_fails.enter_context(tempfile.TemporaryFile()), asked, {}, {})
            for file, rows in names.items():
                _gather_from(file, rows, gathered)
            # Now, and not where an image is read: a full disk is told here.
            gathered.file.flush()
            until_it_fails.pop_all()
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error
    return gathered


def _gather_from(file: str, names: Sequence[str], gathered: _Gathered) -> None:
    for row, image in _images(file, [row for row, name in enumerate(names) if name in gathered.asked]):
        if image is None:
            gathered.refused[names[row]] = f"{file}, row {row + 1}: {_NO_IMAGE}"
        elif len(image) > MAX_BYTES:
            gathered.refused[names[row]] = f"{file}, row {row + 1}: has {len(image)} bytes, more than {MAX_BYTES}"
        else:
            gathered.places[names[row]] = (gathered.file.tell(), len(image))
            gathered.file.write(image)


def _images(path: str, wanted: Sequence[int]) -> Iterator[tuple[int, memoryview | None]]:
    """Yield some rows, given in order, and their images, None where there is none; only row groups that hold one are read."""
    with opened(Path(path), path) as file:
        column = _image_column(file, path)
        num_rows = _rows_at_a_time(file, column)
        first = place = 0
        for group in range(file.metadata.num_row_groups):
            following = first + file.metadata.row_group(group).num_rows
            stop = bisect_left(wanted, following, place)
            if stop > place:
                rows = set(wanted[place:stop])
                batches = file.iter_batches(num_rows, row_groups=[group], columns=[column.content], use_threads=False)
                cells = (cell for batch in batches for cell in cells_of(batch.column(column.name)))
                yield from ((row, cell) for row, cell in zip(range(first, following), cells, strict=False) if row in rows)
            first, place = following, stop


def _rows_at_a_time(file: "pq.ParquetFile", column: ImageColumn) -> int:
    """Return how many images take about as much memory as one may take at most.

    A page of a dictionary holds images that any number of rows may share, each of which is decompressed for itself.
    """
    largest = 1.0
    for group, part in parts_of(file, column):
        inflation = part.total_uncompressed_size / max(1, part.total_compressed_size)
        shared = part.data_page_offset - part.dictionary_page_offset if part.has_dictionary_page else 0
        largest = max(largest, shared * inflation, part.total_uncompressed_size / max(1, group.num_rows))
    return int(min(_MOST_ROWS, max(1, MAX_BYTES // largest)))


@lru_cache(maxsize=1)
def _names(files: tuple[str, ...], _facts: tuple[tuple[int, int], ...]) -> dict[str, list[str]]:
    """Name all images; the same again as long as the files' sizes and times are the same."""
    paths: dict[str, list[str | None]] = {}
    for name in files:
        with opened(Path(name), name) as file:
            paths[name] = list(_paths(file, _image_column(file, name)))
    given = [path for rows in paths.values() for path in rows]
    if all(map(_may_name, given)) and len(set(given)) == len(given):
        return {name: [str(path) for path in rows] for name, rows in paths.items()}
    # Blanks around a name are no part of it in a table.
    stems = {name: re.sub(re.escape(SUFFIX) + r"\Z", "", Path(name).name, flags=re.IGNORECASE).strip() for name in files}
    return {name: [f"{stems[name]}/{row:06d}" for row in range(len(rows))] for name, rows in paths.items()}


def _paths(file: "pq.ParquetFile", column: ImageColumn) -> Iterator[str | None]:
    if column.path is None:
        yield from repeat(None, file.metadata.num_rows)
        return
    for batch in file.iter_batches(columns=[column.path], use_threads=False):
        # Among others: strings that are not UTF-8.
        batch.validate(full=True)
        yield from batch.column(column.name).flatten()[0].to_pylist()


def _may_name(path: str | None) -> bool:
    """Tell whether a path may be an image's name as it stands; what tables would read in another way may not."""
    if not path or path != path.strip(" \t") or path.startswith(("./", ".\\")):
        return False
    return not leads_out(path) and not CONTROL.search(path) and len(path.encode()) <= MAX_FILE_BYTES


def _image_column(file: "pq.ParquetFile", name: str) -> ImageColumn:
    column = find_image_column(file, name)
    if column is not None:
        return column
    if nested := holds_lists_of_images(file):
        raise DataError(f"{name}: column {nested!r} holds its bytes in lists or structs; write one image to a row, as bytes and path")
    raise DataError(f"{name}: has no column of images (bytes, or bytes and path); name the folder of the images with --images")
