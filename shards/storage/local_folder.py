"""A folder of this machine."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO

from shards.errors import DataError
from shards.files import atomic_write, fsync_folder
from shards.storage.folder import SCRATCH, FileInfo, UnreadableFileError

_IS_UTF8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, url: str) -> None:
        """Name it; it need not exist."""
        # One spelling for listing, reading and writing: an empty path would list nothing and write here.
        self.url = url or "."
        self._path = Path(self.url)

    def list(self) -> Iterator[FileInfo]:
        """Yield all files, those of sub-folders too. A link that leads nowhere is no file."""
        pending = [""]
        while pending:
            inside = pending.pop()
            for entry in self._entries(inside):
                name = f"{inside}{entry.name}"
                try:
                    if entry.is_dir():
                        self._check_no_loop(name, entry)
                        pending.append(f"{name}/")
                        continue
                    if not entry.is_file():
                        # Reading a pipe or a device might never end.
                        continue
                    facts = entry.stat()
                except FileNotFoundError:
                    # A link that leads nowhere, or a file that went since the folder was read: it is not there.
                    continue
                except OSError as error:
                    raise self._error(name, "cannot be read", error) from error
                yield FileInfo(_in_utf8(name), facts.st_size, str(facts.st_mtime_ns))

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the files' contents."""
        for name in names:
            try:
                with open(f"{self.url}/{_of_system(name)}", "rb", buffering=0) as file:  # noqa: PTH123 (twice as fast as through Path)
                    content = file.read()
            except OSError as error:
                raise UnreadableFileError(f"{self._path / name}: cannot be read ({error.strerror})") from error
            yield content

    def create(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a temporary file that is flushed and renamed at the end."""
        path = self._path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._error(name, "cannot be written", error) from error
        return atomic_write(path)

    def remove(self, name: str) -> None:
        """Delete a file, and the folder it was in if that is empty now."""
        path = self._path / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._error(name, "cannot be removed", error) from error
        if path.parent != self._path:
            with suppress(OSError):
                path.parent.rmdir()

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name."""
        try:
            (self._path / name).replace(self._path / new_name)
        except OSError as error:
            raise self._error(name, "cannot be renamed", error) from error

    def remove_empty_folders(self, prefixes: tuple[str, ...]) -> None:
        """Delete the empty folders directly inside whose names begin so."""
        for entry in list(self._entries("")):
            if entry.name.startswith(prefixes) and entry.is_dir(follow_symlinks=False):
                # One that is not empty stays.
                with suppress(OSError):
                    Path(entry.path).rmdir()

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """Give the file's own path."""
        path = self._path / name
        try:
            there = path.is_file()
        except OSError as error:
            raise self._error(name, "cannot be read", error) from error
        if not there:
            raise DataError(f"{path}: there is no such file")
        yield path

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a hidden folder inside: the usual place for temporary files may be small, or memory."""
        try:
            scratch = tempfile.TemporaryDirectory(prefix=SCRATCH, dir=self._path)
        except OSError as error:
            raise self._error("", "cannot be written", error) from error
        with scratch as name:
            yield Path(name)

    def settle(self) -> None:
        """Flush the folder itself."""
        try:
            fsync_folder(self._path)
        except OSError as error:
            raise self._error("", "cannot be flushed to the disk", error) from error

    def _entries(self, inside: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(os.path.join(self.url, inside)) as entries:  # noqa: PTH118 (as in `list`: no Path per image)
                yield from entries
        except FileNotFoundError:
            # The folder itself need not exist; a sub-folder went with its files.
            return
        except OSError as error:
            raise self._error(inside, "cannot be read as a folder", error) from error

    def _check_no_loop(self, name: str, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink() and (self._path / name).parent.resolve().is_relative_to(Path(entry.path).resolve()):
            raise DataError(f"{self._path / name}: this link leads back to a folder it lies in; remove it")

    def _error(self, name: str, what: str, error: OSError) -> DataError:
        return DataError(f"{self._path / name}: {what} ({error.strerror})")


def _in_utf8(name: str) -> str:
    """Return a file's name as UTF-8 has it, which tables are written in, whatever this system's encoding makes of its bytes."""
    return name if _IS_UTF8 else os.fsencode(name).decode("utf-8", "surrogateescape")


def _of_system(name: str) -> str:
    """Return what the operating system takes for such a name."""
    return name if _IS_UTF8 else os.fsdecode(name.encode("utf-8", "surrogateescape"))
