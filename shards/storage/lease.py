"""One packer at a time at a URL: an object that its owner changes every few seconds, for as long as it is at work.

Nobody compares clocks. Whoever finds the object watches it: if it changes, its owner is alive; if it stays the same for three beats,
its owner is not, and it is taken over. An owner on this machine whose process is gone is not waited for.

A store that creates an object only if there is none (S3, Google, Azure) lets one of two begin that start at the same moment. Two that
take over the same dead owner's lease at the same moment write one after the other; both wait and look again, and the last one has it. An
owner that was silent for too long (stopped, or cut off) finds another's token at its next beat and stops. A shard that it has finished
until then is the same to the last byte if both pack the same; if not, the manifest's hashes tell.
"""

import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shards.errors import ConfigurationError, DataError
from shards.storage.lock import LOCK
from shards.storage.url_folder import UrlFolder

BEAT_SECONDS = 3.0
_BEATS_OF_SILENCE = 3
_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 1.5
"""Longer than a small object takes to be written: who has decided to take over has done so by then."""
_MOST_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lease:
    """What the object holds."""

    host: str
    """Name of the machine, for the reader."""
    place: str
    """Boot and process namespace: process numbers can be compared only where these are equal."""
    pid: int
    """Process on that machine."""
    token: str
    """Random; tells this owner from every other."""
    beat: int
    """Counts up."""

    def content(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@contextmanager
def lease(url: str) -> Iterator[None]:
    """Keep every other packer out of a folder at a URL for the length of the block.

    Raises:
        ConfigurationError: Another packer has it and is alive.
        DataError: The store cannot be reached; or, out of the block, another packer has taken the lease over.
    """
    folder = UrlFolder(url)
    mine = _acquire(folder)
    heart = _Heart(folder, mine)
    heart.start()
    try:
        yield
    except KeyboardInterrupt as error:
        heart.check(error)
        raise
    finally:
        heart.stop()
    heart.check(None)


class _Heart(threading.Thread):
    """Renews the lease, and stops the process if it is another's by now."""

    def __init__(self, folder: UrlFolder, mine: _Lease) -> None:
        super().__init__(name="lease", daemon=True)
        self._folder = folder
        self._mine = mine
        self._over = threading.Event()
        self._lost_to = ""
        self._owner = threading.current_thread()

    def run(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            # A store that cannot be reached now may be at the next beat; if it stays away, the packing itself fails.
            with suppress(DataError):
                if not self._beat():
                    self._interrupt()
                    return

    def stop(self) -> None:
        """End the beats and give the lease back."""
        self._over.set()
        self.join()
        # What stays behind is taken over after three beats.
        with suppress(DataError):
            if not self._lost_to and self._is_mine():
                self._folder.remove(LOCK)

    def check(self, cause: BaseException | None) -> None:
        """Raise if the lease was lost.

        Raises:
            DataError: It was.
        """
        if self._lost_to:
            raise DataError(
                f"{self._folder.url}: {self._lost_to} took over while this process was silent; let it finish, or end it and run this again"
            ) from cause

    def _beat(self) -> bool:
        if not self._is_mine():
            return False
        self._mine = replace(self._mine, beat=self._mine.beat + 1)
        self._folder.write(LOCK, self._mine.content())
        return True

    def _is_mine(self) -> bool:
        content = self._folder.read_if_there(LOCK)
        if content is not None and _token(content) == self._mine.token:
            return True
        self._lost_to = "another packing" if content is None else _shown(content)
        return False

    def _interrupt(self) -> None:
        # Packing turns SIGTERM into an orderly stop. Where nothing does, the error comes at the end of the block.
        if callable(signal.getsignal(signal.SIGTERM)) and self._owner is threading.main_thread():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _acquire(folder: UrlFolder) -> _Lease:
    host = socket.gethostname()
    mine = _Lease(host=host, place=_place(host), pid=os.getpid(), token=secrets.token_hex(16), beat=0)
    first: bytes | None = None
    for _ in range(_MOST_ATTEMPTS):
        folder.write(LOCK, mine.content(), exclusive=True)
        # Read even if it was refused: the answer to one's own request may have been lost, and this one that to its repetition.
        content = folder.read_if_there(LOCK)
        if content is None:
            continue
        if _token(content) == mine.token:
            return mine
        if first is not None and _token(content) != _token(first):
            # It was not there a moment ago.
            raise _refusal(folder, content)
        first = content
        if not _is_dead(content, mine):
            seen = _watch(folder, content)
            if seen is None:
                continue
            if seen != content:
                raise _refusal(folder, seen)
        folder.write(LOCK, mine.content())
        time.sleep(_SETTLE_SECONDS)
    raise ConfigurationError(f"{folder.url}: other packings come and go in it; run this again when they have ended")


def _refusal(folder: UrlFolder, content: bytes) -> ConfigurationError:
    return ConfigurationError(f"{folder.url}: another packing ({_shown(content)}) is at work in it; wait for its end")


def _watch(folder: UrlFolder, content: bytes) -> bytes | None:
    """Return what the object holds when it changes, or after three beats of silence; None if it is gone."""
    ends = time.monotonic() + _BEATS_OF_SILENCE * BEAT_SECONDS
    seen: bytes | None = content
    while seen == content and time.monotonic() < ends:
        time.sleep(_POLL_SECONDS)
        seen = folder.read_if_there(LOCK)
    return seen


def _fields(content: bytes) -> dict[str, object]:
    try:
        fields = json.loads(content)
    except ValueError:
        # Half written, or not ours: only whether it changes can be told.
        return {}
    return fields if isinstance(fields, dict) else {}


def _token(content: bytes) -> object:
    return _fields(content).get("token")


def _shown(content: bytes) -> str:
    fields = _fields(content)
    return f"process {fields.get('pid', 'unknown')} on {fields.get('host', 'an unknown machine')}"


def _is_dead(content: bytes, mine: _Lease) -> bool:
    """Tell whether the owner ran on this machine and does not any more."""
    fields = _fields(content)
    pid = fields.get("pid")
    if fields.get("place") != mine.place or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _place(host: str) -> str:
    """Containers may share the name of their machine, but not their process numbers."""
    parts = (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid"))
    try:
        return f"{host} {parts[0].read_text(encoding='ascii').strip()} {parts[1].readlink()}"
    except OSError:
        # Without them nobody is ever known to be dead at once.
        return secrets.token_hex(16)
