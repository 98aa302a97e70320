"""One process at a time in a folder."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shards.errors import ConfigurationError

LOCK = ".lock"

_POLL_SECONDS = 0.2
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextmanager
def lock_folder(
    folder: Path, *, work: str = "packing", wait_seconds: float = 0.0, progress: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Keep every other process out of a folder of this machine for the length of the block; it is made if it is missing.

    The kernel frees the lock of a process that dies. A file system without locks (Lustre mounted without flock) keeps nobody out.

    Args:
        folder: The folder.
        work: What the processes do in it, for the message.
        wait_seconds: How long to wait for another process that has the lock, from the last time that `progress` changed.
        progress: Returns something that changes while the other process gets on.

    Raises:
        ConfigurationError: Another process has it, or the folder cannot be written.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seen, since = progress(), time.monotonic()
        while (descriptor := _acquire(path)) is None:
            if (now := progress()) != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since >= wait_seconds:
                raise ConfigurationError(f"{folder}: another {work} ({_owner(path)}) is at work in it; wait for its end")
            time.sleep(_POLL_SECONDS)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be used as a folder to write into ({error.strerror})") from error
    try:
        yield
    finally:
        _release(path, descriptor)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Take a lock for the length of the block if no other process has it, and give whether it was taken.

    Args:
        path: The lock's file; it is made with its folder, and removed at the end.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _release(path, descriptor)


def _release(path: Path, descriptor: int) -> None:
    with suppress(OSError):
        # Removed while it is held: whoever opened it meanwhile sees that it is another file by now.
        if _is_still_at(path, descriptor):
            path.unlink()
    os.close(descriptor)


def _acquire(path: Path) -> int | None:
    """Return the descriptor that holds the lock, or None if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_at(path, descriptor):
                # The number is for messages only: a full disk is told by whoever writes more than this.
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor
            # Another machine has removed the file that was opened here: NFS says so only now.
            if error.errno != errno.ESTALE:
                os.close(descriptor)
                raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _owner(path: Path) -> str:
    try:
        return f"process {path.read_text(encoding='ascii', errors='replace').strip() or 'unknown'}"
    except OSError:
        return "it has just ended"


def _is_still_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
