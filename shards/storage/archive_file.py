"""The bytes of an archive, on this machine or at a URL, a range at a time."""

import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from shards.errors import DataError
from shards.storage.folder import is_url

Range = tuple[int, int]
"""First byte, and the one behind the last."""
ReadRanges = Callable[[Sequence[Range]], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """An archive that is open for reading."""

    size: int
    """Bytes."""
    version: str
    """Changes when the file may have changed."""
    file: IO[bytes] | io.RawIOBase
    """All of it, seekable."""
    read_ranges: ReadRanges
    """Yields the bytes of each range, fewer where the file ends. A store over the network answers for many at once."""


@contextmanager
def open_archive(url: str) -> Iterator[ArchiveFile]:
    """Open an archive for the length of the block.

    Args:
        url: A path of this machine, or a URL.

    Raises:
        DataError: It is not there, or cannot be read.
    """
    if is_url(url):
        yield _open_remote(url)
        return
    try:
        file = open(url, "rb")  # noqa: PTH123, SIM115 (closed below: an error of the block is not one of opening)
    except OSError as error:
        raise DataError(f"{url}: cannot be read ({error.strerror})") from error
    with file:
        facts = os.fstat(file.fileno())
        version = f"{facts.st_dev} {facts.st_ino} {facts.st_mtime_ns} {facts.st_size}"

        def read_ranges(ranges: Sequence[Range]) -> Iterator[bytes]:
            for start, stop in ranges:
                file.seek(start)
                yield file.read(stop - start)

        yield ArchiveFile(facts.st_size, version, file, read_ranges)


def _open_remote(url: str) -> ArchiveFile:
    # Imported here: work on one machine neither needs fsspec nor waits for it.
    from shards.storage.url_folder import UrlFolder

    name = url.rpartition("/")[2]
    folder = UrlFolder(url.removesuffix(name))
    found = folder.find(name)
    if found is None:
        raise DataError(f"{url}: there is no such file")

    def read_ranges(ranges: Sequence[Range]) -> Iterator[bytes]:
        return folder.read_ranges(name, ranges)

    return ArchiveFile(found.size, f"{found.version} {found.size}", _RemoteFile(found.size, read_ranges), read_ranges)


class _RemoteFile(io.RawIOBase):
    """A file at a URL. Every read is a request."""

    def __init__(self, size: int, read_ranges: ReadRanges) -> None:
        super().__init__()
        self._size, self._read_ranges, self._at = size, read_ranges, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = at
        return at

    def read(self, num_bytes: int = -1) -> bytes:
        stop = self._size if num_bytes < 0 else min(self._at + num_bytes, self._size)
        if stop <= self._at:
            return b""
        (data,) = self._read_ranges([(self._at, stop)])
        self._at += len(data)
        return data
