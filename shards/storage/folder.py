"""Folders of files, on this machine or at a URL, with the few operations that packing needs.

A path of this machine goes straight to the operating system, see `shards.storage.local_folder`; whatever holds `://` goes through fsspec,
see `shards.storage.url_folder`. Neither way leaves half a file under its final name. Images may lie in an archive as well, see
`shards.storage.zip_folder`. `shards.storage.opening` knows which is which.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from shards.errors import ConfigurationError, DataError

SCRATCH = ".dropstream-"
"""How the names of temporary folders begin."""
MAX_FILE_BYTES = 1024
"""Longest name of an image file, as in object stores. All names are kept as wide as the longest."""
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a listing tells of one file."""

    name: str
    """Relative to the folder, `/` between the parts."""
    size: int
    """Bytes."""
    version: str
    """Changes when the content may have changed: a time of modification, or an object's tag."""


class Files(Protocol):
    """Files to be read. Names have `/` between their parts; every failure is a `DataError` that names the file."""

    url: str
    """What messages call the whole."""

    def list(self) -> Iterator[FileInfo]:
        """Yield all files, those of sub-folders too, in no particular order; nothing if the folder does not exist."""
        ...

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the files' contents in the order of the names; all of them may be in memory at once.

        Raises:
            UnreadableFileError: The next one cannot be read.
        """
        ...


class Folder(Files, Protocol):
    """A folder of files, to be read and written."""

    def create(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file for writing; it has its name only after the block ends without an exception."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file; nothing happens if there is none."""
        ...

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name; a file of that name is replaced."""
        ...

    def remove_empty_folders(self, prefixes: tuple[str, ...]) -> None:
        """Delete the empty folders directly inside whose names begin so."""
        ...

    def fetch(self, name: str) -> AbstractContextManager[Path]:
        """Give the file as one of this machine for the length of the block."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """Give an empty folder of this machine, on the same disk where possible; it goes at the end of the block."""
        ...

    def settle(self) -> None:
        """Make the names of all files written so far survive a power cut."""
        ...


def leads_out(name: str) -> bool:
    r"""Tell whether a name is absolute or leads out of the folder, on this system or another.

    >>> leads_out("/faces/1.jpg"), leads_out(r"C:\faces\1.jpg"), leads_out("a/../1.jpg"), leads_out("a/1..jpg")
    (True, True, True, False)
    """
    return name.startswith(("/", "\\")) or bool(_DRIVE.match(name)) or ".." in name.replace("\\", "/").split("/")


def is_url(name: str) -> bool:
    """Tell a URL from a path of this machine.

    >>> is_url("s3://bucket/faces"), is_url("data/faces")
    (True, False)
    """
    return "://" in name


def check_no_shard(flag: str, name: str) -> None:
    """Refuse a single shard where the folder of a data set is wanted.

    Args:
        flag: What the user gave it as.
        name: A path of this machine, or a URL.

    Raises:
        ConfigurationError: It is one, or a pattern of several, as `webdataset` takes them.
    """
    folder, _, last = name.rpartition("/")
    if name.startswith("pipe:") or (re.search(r"\.tar(\.gz)?$|\{\w+\.\.\w+\}|\*", last) and not Path(name).is_dir()):
        wanted = f"{flag} {folder}" if folder and not folder.endswith(":/") and not name.startswith("pipe:") else f"{flag} FOLDER"
        raise ConfigurationError(f"{flag} {name}: names shards, expected the folder that tools/make_shards has written them into: {wanted}")


class UnreadableFileError(DataError):
    """One file of a folder cannot be read; its neighbours may be sound."""
