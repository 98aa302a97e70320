"""A ZIP archive read as a folder: nothing is unpacked to the disk, and nothing is written into it."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from shards.errors import DataError
from shards.storage.folder import FileInfo, UnreadableFileError

_ENCRYPTED, _UTF_8 = 0x1, 0x800
_AGAIN = "download or copy it again"
_UNPACK = "unpack the archive, and pack the folder"

Members = dict[str, zipfile.ZipInfo]
"""Name -> where and how it lies in the archive."""


class ZipFolder:
    """The files of an archive, wherever in it they lie. A process reads the archive's directory once; it takes 300 bytes for each file."""

    def __init__(self, path: str) -> None:
        """Name it; nothing is read yet."""
        self.url = path

    def list(self) -> Iterator[FileInfo]:
        """Yield all files.

        Raises:
            DataError: It is no whole archive, or a name stands in it twice.
        """
        for name, member in self._open()[1].items():
            yield FileInfo(name, member.file_size, f"{member.CRC:08x}")

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the files' contents. Each is unpacked in memory, and never to more than the bytes that the directory tells.

        Raises:
            DataError: It is no whole archive.
            UnreadableFileError: The next one is not there, damaged, encrypted, or compressed in a way that Python does not know.
        """
        archive, members = self._open()
        for name in names:
            if name not in members:
                raise UnreadableFileError(f"{self.url}/{name}: cannot be read (no such file in the archive)")
            yield self._read(archive, members[name], name)

    def _read(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
        if member.flag_bits & _ENCRYPTED:
            raise UnreadableFileError(f"{self.url}/{name}: is encrypted; {_UNPACK}")
        try:
            with archive.open(member) as file:
                # With its length: without, all that a chunk inflates to is taken, whatever the directory says.
                content = file.read(member.file_size)
        except NotImplementedError as error:
            method = f"compression method {member.compress_type}"
            raise UnreadableFileError(f"{self.url}/{name}: cannot be unpacked here ({method}); {_UNPACK}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
            raise UnreadableFileError(f"{self.url}/{name}: is damaged in the archive ({_in_one_line(error)}); {_AGAIN}") from error
        except OSError as error:
            raise UnreadableFileError(f"{self.url}/{name}: cannot be read ({error.strerror or _in_one_line(error)})") from error
        if len(content) != member.file_size:
            raise UnreadableFileError(f"{self.url}/{name}: is damaged in the archive (it is cut off); {_AGAIN}")
        return content

    def _open(self) -> tuple[zipfile.ZipFile, Members]:
        try:
            facts = Path(self.url).stat()
            return _open(self.url, facts.st_size, facts.st_mtime_ns)
        except (zipfile.BadZipFile, UnicodeDecodeError, ValueError) as error:
            raise DataError(f"{self.url}: is no whole ZIP archive ({_in_one_line(error)}); {_AGAIN}") from error
        except NotImplementedError as error:
            raise DataError(f"{self.url}: cannot be unpacked here ({_in_one_line(error)}); {_UNPACK}") from error
        except OSError as error:
            raise DataError(f"{self.url}: cannot be read ({error.strerror or _in_one_line(error)})") from error


@lru_cache(maxsize=1)
def _open(path: str, _size: int, _changed: int) -> tuple[zipfile.ZipFile, Members]:
    """Open an archive; the same one again as long as size and time of modification are the same."""
    archive = zipfile.ZipFile(path)
    members: Members = {}
    for member in archive.infolist():
        name = _name(member)
        if member.is_dir():
            continue
        if name in members:
            raise DataError(f"{path}: holds {name!r} twice; {_UNPACK}")
        members[name] = member
    return archive, members


def _name(member: zipfile.ZipInfo) -> str:
    """Return a file's name. One in an old code page that is sound UTF-8 is UTF-8: some programs forget to say so."""
    if member.flag_bits & _UTF_8 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
