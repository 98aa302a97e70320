"""The directory at the end of a ZIP archive: which files there are, and where they lie."""

import re
import stat
import struct
import zipfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.errors import DataError
from shards.kinds import HEAD_BYTES, kind_of
from shards.storage.archive_file import ArchiveFile

ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""How a ZIP archive begins, and one without files."""
AGAIN = "download or copy it again"
UNPACK = "unpack the archive, and pack the folder"
_UTF_8 = 0x800
_MOST_NAME_BYTES = 4096
"""Longest path of a file on Linux. All names take as much memory as the longest."""

_END = b"PK\x05\x06"
_END_BYTES = 22
_MOST_COMMENT_BYTES = 2**16 - 1
_IN_ZIP64 = 0xFFFF

MEMBER = np.dtype(
    [
        ("start", "<i8"),
        ("stop", "<i8"),
        ("packed", "<i8"),
        ("size", "<i8"),
        ("crc", "<u4"),
        ("method", "<u2"),
        ("flags", "<u2"),
        ("link", "?"),
    ]
)
"""Of one file: where its header begins, where the next one's does, its bytes in the archive and unpacked, CRC-32, compression method,
flags, and whether it is a symbolic link."""


@dataclass(frozen=True, slots=True)
class ZipDirectory:
    """F files, sorted by name. Each takes 41 bytes of memory, and as many as the longest name has."""

    names: NDArray[np.bytes_]
    """[F]."""
    members: NDArray[np.void]
    """[F] of MEMBER."""

    def find(self, name: str) -> int | None:
        """Return a file's place, None if there is none of that name."""
        wanted = name.encode("utf-8", "surrogateescape")
        place = bisect_left(self.names, wanted)
        return place if place < len(self.names) and self.names[place] == wanted else None


def read_directory(url: str, archive: ArchiveFile) -> ZipDirectory:
    """Read an archive's directory. For the length of the call it takes 600 bytes for each file.

    Args:
        url: What messages call the archive.
        archive: The same.

    Raises:
        DataError: It is no whole ZIP archive, or one that cannot be read here.
    """
    archive.file.seek(0)
    head = archive.file.read(HEAD_BYTES)
    if not head.startswith(ZIP_STARTS) and (advice := not_a_zip(head)):
        raise DataError(f"{url}: {advice}")
    num_announced = _announced(url, archive)
    try:
        with zipfile.ZipFile(archive.file) as opened:
            entries, directory_start = opened.infolist(), opened.start_dir
    except UnicodeDecodeError as error:
        raise DataError(f"{url}: holds a name that is not UTF-8 and says that it is; {UNPACK}") from error
    except NotImplementedError as error:
        raise DataError(f"{url}: cannot be unpacked here ({_in_one_line(error)}); {UNPACK}") from error
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError) as error:
        raise _broken(url, _in_one_line(error)) from error
    except OSError as error:
        raise DataError(f"{url}: cannot be read ({error.strerror or _in_one_line(error)})") from error
    if num_announced not in (len(entries) & _IN_ZIP64, _IN_ZIP64):
        raise _broken(url, f"its directory holds {len(entries)} files of {num_announced}")
    return _as_arrays(url, entries, directory_start)


def not_a_zip(head: bytes) -> str:
    """Return what a file is that was named in place of a folder or a ZIP archive, and what to do; nothing if its kind is unknown.

    >>> not_a_zip(b"Rar!" + bytes([0x1A, 7, 1, 0]))
    'is a RAR archive; unpack it (unrar x FILE), and name the folder'
    """
    if not head:
        return f"is empty; {AGAIN}"
    kind = kind_of(head)
    if kind is None or kind.category not in ("archive", "failure"):
        return ""
    return f"is {kind.name}; {kind.advice}" + (", and name the folder" if kind.category == "archive" else "")


def _announced(url: str, archive: ArchiveFile) -> int:
    """Return how many files the archive's last record announces, modulo 65536.

    Raises:
        DataError: There is no such record, or it is that of an archive in several parts.
    """
    archive.file.seek(max(0, archive.size - _END_BYTES - _MOST_COMMENT_BYTES))
    tail = archive.file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise _broken(url, "its end is missing")
    disk, _, _, count = struct.unpack_from("<4H", tail, at + len(_END))
    if disk not in (0, _IN_ZIP64):
        raise DataError(
            f"{url}: is the last of {disk + 1} parts of a ZIP archive; join them (zip -s 0 FILE.zip --out WHOLE.zip), and name WHOLE.zip"
        )
    return count


def _broken(url: str, why: str) -> DataError:
    # What `split` and 7-Zip cut an archive into.
    if re.search(r"\.\d{2,3}\Z", url):
        return DataError(f"{url}: is one part of a ZIP archive; join all of them (cat FILE.* > WHOLE.zip), and name WHOLE.zip")
    return DataError(f"{url}: is no whole ZIP archive ({why}); {AGAIN}")


def _as_arrays(url: str, entries: Sequence[zipfile.ZipInfo], directory_start: int) -> ZipDirectory:
    try:
        members = np.fromiter(_rows(entries), MEMBER, len(entries))
    except OverflowError as error:
        raise _broken(url, "a file lies beyond the largest number") from error
    # Folders' entries lie between the files: what is behind a file is looked up before they are left out.
    order = np.argsort(members["start"], kind="stable")
    following = np.append(members["start"][order][1:], directory_start)[: len(entries)]
    members["stop"][order] = np.minimum(following, directory_start)
    kept = np.array([bool(_name(entry)) and not entry.is_dir() for entry in entries], np.bool_)
    names = np.array(
        [_encoded(url, entry) for entry, is_kept in zip(entries, kept, strict=True) if is_kept], np.bytes_ if kept.any() else "S1"
    )
    order = np.argsort(names, kind="stable")
    names, members = names[order], members[kept][order]
    if len(twice := np.flatnonzero(names[1:] == names[:-1])):
        raise DataError(f"{url}: holds {names[twice[0]].decode()!r} twice; {UNPACK}")
    return ZipDirectory(names, members)


def _rows(entries: Sequence[zipfile.ZipInfo]) -> Iterator[tuple[int | bool, ...]]:
    for entry in entries:
        # The upper half is the file's mode on Unix.
        link = stat.S_ISLNK(entry.external_attr >> 16)
        yield entry.header_offset, 0, entry.compress_size, entry.file_size, entry.CRC, entry.compress_type, entry.flag_bits, link


def _encoded(url: str, entry: zipfile.ZipInfo) -> bytes:
    name = _name(entry).encode()
    if len(name) > _MOST_NAME_BYTES:
        raise DataError(f"{url}: holds a name of {len(name)} bytes, more than {_MOST_NAME_BYTES}; make the archive anew with shorter names")
    return name


def _name(entry: zipfile.ZipInfo) -> str:
    """Return a file's name as a folder's listing has it.

    One in an old code page that is sound UTF-8 is UTF-8: some programs forget the flag.
    """
    name = entry.filename.removeprefix("./")
    if entry.flag_bits & _UTF_8 or name.isascii():
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeError:
        return name


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
