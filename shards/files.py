"""Writing a file so that its final name never holds half of it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from shards.errors import DataError


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on a clean exit flush it to the disk and rename it to `path`, else remove it.

    Raises:
        DataError: The file cannot be written (disk full, no permission, …).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); nothing was left under this name") from error
    finally:
        # Gone after the rename; and where even opening it failed there is nothing to remove.
        with suppress(OSError):
            temporary.unlink()


def fsync_folder(folder: Path) -> None:
    """Make the renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_array(path: Path, array: NDArray[np.generic]) -> str:
    """Write an array as `.npy` atomically and return the file's SHA-256."""
    with atomic_write(path) as file:
        hashed = HashingFile(file)
        np.lib.format.write_array(hashed, array, version=(1, 0), allow_pickle=False)
    return hashed.sha256.hexdigest()


class HashingFile:
    """A writable file that counts and hashes what passes through it."""

    def __init__(self, file: IO[bytes]) -> None:
        """Wrap a file opened for writing."""
        self._file = file
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write, count and hash."""
        self.sha256.update(data)
        self.md5.update(data)
        self.size += len(data)
        return self._file.write(data)
