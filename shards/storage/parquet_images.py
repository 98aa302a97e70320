"""Images inside Parquet files, as Hugging Face's datasets come, read as if they were files."""

import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from shards.errors import DataError
from shards.storage.folder import FileInfo, UnreadableFileError
from shards.storage.parquet_file import SUFFIX, ImageColumn, find_image_column, opened

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 64
"""Images that are taken out at a time."""


class ParquetImages:
    """The images of one file, or of all files in a folder.

    An image has the name that its row gives as its path, if every row of all files gives one and no two are alike; else the file's name
    without its suffix and the number of the row: `train-00000/000123`.

    Memory: the images of one row group, compressed, and of 64 rows. With `wanted` the disk as well: the images that are wanted, in a
    nameless file in the folder for temporary files, since they are read in another order than they lie.
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
        path = Path(self.url)
        return [self.url] if path.is_file() else sorted(str(file) for file in path.iterdir() if file.suffix.lower() == SUFFIX)

    def names(self) -> dict[str, list[str]]:
        """Return each file -> its images' names, row by row.

        Raises:
            DataError: A file is damaged, or holds no images.
        """
        facts = [Path(file).stat() for file in self.tables()]
        return _names(tuple(self.tables()), tuple((fact.st_size, fact.st_mtime_ns) for fact in facts))

    def list(self) -> Iterator[FileInfo]:
        """Yield all images.

        Raises:
            DataError: A file is damaged, or holds no images.
        """
        for file, names in self.names().items():
            for first, contents in _contents(file, None):
                for name, content in zip(names[first : first + len(contents)], contents, strict=True):
                    # An image that is not there is empty, and told of as such.
                    yield FileInfo(name, len(content or b""), f"{zlib.crc32(content or b''):08x}")

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the images.

        Raises:
            DataError: A file is damaged.
            UnreadableFileError: There is no such image.
        """
        if self._gathered is None or any(name not in self._gathered.places for name in names):
            self._gathered = _gather(self.names(), {*names, *self._wanted})
            weakref.finalize(self, self._gathered.file.close)
        for name in names:
            if name not in self._gathered.places:
                raise UnreadableFileError(f"{self.url}: {name}: cannot be read (no such image in it)")
            yield self._gathered.read(name)


class _Gathered(NamedTuple):
    """Images in the order in which they were found, in a nameless file."""

    file: BinaryIO
    places: dict[str, tuple[int, int]]
    """Name -> where it begins, and its bytes."""

    def read(self, name: str) -> bytes:
        at, size = self.places[name]
        self.file.seek(at)
        return self.file.read(size)


def _gather(names: dict[str, list[str]], wanted: set[str]) -> _Gathered:
    """Take images out of their files, in one pass over the row groups that hold them."""
    places: dict[str, tuple[int, int]] = {}
    try:
        gathered = _Gathered(tempfile.TemporaryFile(), places)  # noqa: SIM115 (as long as the images are read)
        at = 0
        for file, rows in names.items():
            for first, contents in _contents(file, np.array([name in wanted for name in rows], bool)):
                for name, content in zip(rows[first : first + len(contents)], contents, strict=True):
                    if name in wanted:
                        at += gathered.file.write(content or b"")
                        places[name] = (at - len(content or b""), len(content or b""))
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error
    return gathered


def _contents(path: str, wanted: "np.ndarray | None") -> "Iterator[tuple[int, Sequence[bytes | None]]]":
    """Yield the number of a row, and the images from it on, some at a time; only of row groups that hold a wanted one."""
    with opened(Path(path), path) as file:
        column = _image_column(file, path)
        first = 0
        for group in range(file.metadata.num_row_groups):
            num_rows = file.metadata.row_group(group).num_rows
            if wanted is None or wanted[first : first + num_rows].any():
                at = first
                for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[column.content], use_threads=False):
                    contents = _leaf(batch.column(0)).to_pylist()
                    if at == 0 and column.path is not None and not any(contents):
                        raise DataError(f"{path}: column {column.name!r} holds paths and not the images; pack the folder where they lie")
                    yield at, contents
                    at += len(contents)
            first += num_rows


@lru_cache(maxsize=1)
def _names(files: tuple[str, ...], _facts: tuple[tuple[int, int], ...]) -> dict[str, list[str]]:
    """Name all images; the same again as long as the files' sizes and times are the same."""
    paths: dict[str, list[str | None]] = {}
    for name in files:
        with opened(Path(name), name) as file:
            column = _image_column(file, name)
            paths[name] = [None] * file.metadata.num_rows
            if column.path is not None:
                batches = file.iter_batches(columns=[column.path], use_threads=False)
                paths[name] = [path for batch in batches for path in _leaf(batch.column(0)).to_pylist()]
    given = [path for rows in paths.values() for path in rows]
    if all(given) and len(set(given)) == len(given):
        return {name: [str(path) for path in rows] for name, rows in paths.items()}
    stems = {name: Path(name).name.removesuffix(SUFFIX) for name in files}
    return {name: [f"{stems[name]}/{row:06d}" for row in range(len(rows))] for name, rows in paths.items()}


def _leaf(column: "pa.Array") -> "pa.Array":
    """Return the only part of a column of parts, the column itself if it has none; a part of a missing cell is missing."""
    return column.flatten()[0] if column.type.num_fields else column


def _image_column(file: object, name: str) -> ImageColumn:
    column = find_image_column(file, name)  # type: ignore[arg-type]
    if column is None:
        raise DataError(f"{name}: has no column of images (bytes, or bytes and path); name the folder of the images with --images")
    return column
