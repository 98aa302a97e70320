"""Writing a file so that its final name never holds half of it."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from shards.errors import DataError

TEMPORARY = re.compile(r"\.(?P<name>.+)\.\d+-[0-9a-f]{8}\.tmp")
"""Name of a temporary file: what it will be called, the writing process and a random part."""


@contextmanager
def atomic_write(path: Path, *, remedy: str = "nothing was left under this name") -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on a clean exit flush it to the disk and rename it to `path`, else remove it.

    Args:
        path: The file.
        remedy: What the message says behind the cause.

    Raises:
        DataError: The file cannot be written (disk full, no permission, …).
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); {remedy}") from error
    finally:
        # Gone after the rename; and where even opening it failed there is nothing to remove.
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, content: str) -> None:
    """Write a text file so that its name never holds half of it.

    Raises:
        DataError: The file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(content.encode())


def is_one_of(name: str, names: Sequence[str]) -> bool:
    """Return whether a file's name is one of some, or that of what a killed process leaves of one.

    >>> names = ("report.html",)
    >>> is_one_of(".report.html.17-0123abcd.tmp", names), is_one_of(".report.html.tmp", names)
    (True, False)
    """
    leftover = TEMPORARY.fullmatch(name)
    return name in names or (leftover is not None and leftover["name"] in names)


def temporary_name(name: str) -> str:
    """Return a name nobody else takes, on whatever machine; it matches `TEMPORARY`."""
    return f".{name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"


def fsync_folder(folder: Path) -> None:
    """Make the renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file of this machine."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_PAGE = 4096
_NUM_PAGES = 64
_WHOLE = 1 << 20


def probe(path: Path) -> str:
    """Return a SHA-256 over a few pages of a file, evenly spread, the first and the last among them; of a small file, over all of it.

    It takes a millisecond for a file of any size. Another file of the same size, an array of another data set for example, is told apart;
    a single flipped byte in a large file is not: that takes the whole hash.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _WHOLE:
            return hashlib.sha256(file.read()).hexdigest()
        digest = hashlib.sha256()
        for number in range(_NUM_PAGES):
            digest.update(os.pread(file.fileno(), _PAGE, (size - _PAGE) * number // (_NUM_PAGES - 1)))
        return digest.hexdigest()
