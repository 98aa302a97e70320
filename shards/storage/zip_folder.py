"""A ZIP archive read as a folder: nothing is unpacked to the disk, and nothing is written into it."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from shards.errors import DataError
from shards.image.header import MAX_BYTES
from shards.storage.archive_file import ArchiveFile, Range, open_archive
from shards.storage.folder import FileInfo, UnreadableFileError
from shards.storage.inflate import DamagedMemberError, inflate
from shards.storage.zip_directory import AGAIN, UNPACK, ZipDirectory, read_directory

_ENCRYPTED, _PATCH = 0x1, 0x20
_HEADER = b"PK\x03\x04"
_HEADER_BYTES = 30
_LENGTHS = struct.Struct("<HH")
_LENGTHS_AT = 26
_MOST_LENGTHS = 2 * (2**16 - 1)
"""Most bytes of name and extra field, which stand between a file's header and its data."""


class ZipFolder:
    """The files of an archive, wherever in it they lie.

    A process reads the archive's directory once, and again when the archive has changed. It keeps 41 bytes for each file, and as many as
    the longest name has: 14 MB for CelebA's 202,599 images.
    """

    def __init__(self, url: str, inside: str = "") -> None:
        """Name it; nothing is read yet.

        Args:
            url: The archive: a path of this machine, or a URL.
            inside: A folder in it; empty for all of it.
        """
        self.url = url
        self._inside = inside.strip("/") + "/" if inside.strip("/") else ""

    def list(self) -> Iterator[FileInfo]:
        """Yield all files. A file's version is its CRC-32, which stays the same when the archive is copied.

        Raises:
            DataError: It is no whole ZIP archive, a name stands in it twice, or there is no file in it.
        """
        with open_archive(self.url) as archive:
            directory = _directory(self.url, archive.version)
        if not len(directory.names):
            raise DataError(f"{self.url}: is a ZIP archive without files; {AGAIN}")
        for encoded, size, crc in zip(directory.names, directory.members["size"], directory.members["crc"], strict=True):
            name = encoded.decode()
            if name.startswith(self._inside):
                yield FileInfo(name.removeprefix(self._inside), int(size), f"{crc:08x}")

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the files' contents. Each is unpacked in memory, and never to more than its declared size.

        Raises:
            DataError: It is no whole ZIP archive.
            UnreadableFileError: The next one is not there, damaged, encrypted, too large, or compressed in an unknown way.
        """
        with open_archive(self.url) as archive:
            directory = _directory(self.url, archive.version)
            places = [directory.find(f"{self._inside}{name}") for name in names]
            refusals = ["cannot be read (no such file in the archive)" if at is None else _refusal(directory.members[at]) for at in places]
            wanted = [directory.members[at] for at, refusal in zip(places, refusals, strict=True) if at is not None and not refusal]
            contents = self._contents(archive, wanted)
            for name, refusal in zip(names, refusals, strict=True):
                where = f"{self.url}/{self._inside}{name}"
                if refusal:
                    raise UnreadableFileError(f"{where}: {refusal}")
                try:
                    content = next(contents)
                except OSError as error:
                    raise UnreadableFileError(f"{where}: cannot be read ({error.strerror})") from error
                except NotImplementedError as error:
                    raise UnreadableFileError(f"{where}: cannot be unpacked here ({error}); {UNPACK}") from error
                except DamagedMemberError as error:
                    raise UnreadableFileError(f"{where}: is damaged in the archive ({error}); {AGAIN}") from error
                yield content

    def _contents(self, archive: ArchiveFile, members: Sequence[np.void]) -> Iterator[bytes]:
        for member, data in zip(members, archive.read_ranges([_range(member) for member in members]), strict=True):
            yield _content(member, memoryview(data))


@lru_cache(maxsize=1)
def _directory(url: str, _version: str) -> ZipDirectory:
    """Return an archive's directory; the one that was read before as long as the archive is the same."""
    with open_archive(url) as archive:
        return read_directory(url, archive)


def _refusal(member: np.void) -> str:
    """Return why a file is not even read, nothing if it is."""
    if member["flags"] & _ENCRYPTED:
        return f"is encrypted; {UNPACK}"
    if member["flags"] & _PATCH:
        return f"cannot be unpacked here (a patch); {UNPACK}"
    if member["link"]:
        return f"is a symbolic link in the archive; {UNPACK}"
    num_bytes = max(int(member["size"]), int(member["packed"]))
    if num_bytes > MAX_BYTES:
        return f"has {num_bytes} bytes, more than {MAX_BYTES}; shrink it before packing"
    if not 0 <= int(member["start"]) <= int(member["stop"]) - int(member["packed"]) - _HEADER_BYTES:
        return f"is damaged in the archive (it overlaps what lies behind it); {AGAIN}"
    return ""


def _range(member: np.void) -> Range:
    """Return where header and data lie: one read gives both."""
    start, stop, packed = int(member["start"]), int(member["stop"]), int(member["packed"])
    return start, min(stop, start + _HEADER_BYTES + _MOST_LENGTHS + packed)


def _content(member: np.void, data: memoryview) -> bytes:
    if data[: len(_HEADER)] != _HEADER or len(data) < _HEADER_BYTES:
        raise DamagedMemberError("its header is not where the directory says")
    start = _HEADER_BYTES + sum(_LENGTHS.unpack_from(data, _LENGTHS_AT))
    packed = data[start : start + int(member["packed"])]
    if len(packed) < member["packed"]:
        raise DamagedMemberError("it is cut off")
    content = inflate(int(member["method"]), packed, int(member["size"]))
    if zlib.crc32(content) != member["crc"]:
        raise DamagedMemberError("its CRC-32 is not what the directory says")
    return content
