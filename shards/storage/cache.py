"""A copy, on this machine, of a data set that lies at a URL: downloaded once, verified against its manifest, and used again."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from threading import Event

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from shards.errors import DataError
from shards.files import TEMPORARY, atomic_write, probe, sha256_of
from shards.manifest import MANIFEST, Manifest, parse_manifest
from shards.storage.local_folder import LocalFolder
from shards.storage.lock import LOCK, lock_folder
from shards.storage.url_folder import UrlFolder

Advance = Callable[[int], None]
"""Takes the bytes that are done since the last call."""

_NUM_THREADS = 8
_NAME_BYTES = 200
"""A file name has at most 255 bytes; the checksum follows."""
_PATIENCE_SECONDS = 60.0
"""How long another process's download may stand still. It ends by itself if the server is silent for less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """A file of the data set."""

    name: str
    """Name in the folder."""
    sha256: str
    """Hash of the whole file."""
    bytes: int | None
    """Size, None if the manifest does not tell."""
    probe_sha256: str | None
    """Hash of a few pages, None if the manifest does not tell."""

    def is_plausible(self, folder: Path) -> bool:
        """Tell whether the copy is there, as far as a look at size and a few pages shows."""
        path = folder / self.name
        try:
            if self.bytes is not None and path.stat().st_size != self.bytes:
                return False
            return path.is_file() if self.probe_sha256 is None else probe(path) == self.probe_sha256
        except OSError:
            return False

    def is_whole(self, folder: Path) -> bool:
        """Tell whether the copy is there and has the right hash."""
        try:
            return self.is_plausible(folder) and sha256_of(folder / self.name) == self.sha256
        except OSError:
            return False


def local_copy(url: str, cache: Path) -> Path:
    """Return a folder of this machine that holds the data set at a URL; download what of it is not there.

    Processes that call this at the same time share one download. A manifest that changes at the URL gives another folder.

    Args:
        url: The data set.
        cache: Folder of the copies; made if it is missing.

    Raises:
        ConfigurationError: The cache cannot be written, or another process's download stands still.
        DataError: There is no data set, the store cannot be reached, a file is damaged there, or the disk is full.
    """
    remote = UrlFolder(url)
    name = remote.url.rpartition("/")[2].encode()[:_NAME_BYTES].decode("utf-8", "ignore")
    try:
        data = remote.read_if_there(MANIFEST)
    except DataError as error:
        copies = sorted(str(path.parent) for path in cache.glob(f"{escape(name)}-*/{MANIFEST}"))
        hint = f"; without the server, train from the copy itself: --data.shards {copies[0]}" if copies else ""
        raise DataError(f"{error}{hint}") from error
    if data is None:
        raise DataError(f"{remote.url}: is not a data set (no {MANIFEST}); make one with tools/make_shards")
    manifest = parse_manifest(data.decode("utf-8", "replace"), name=f"{remote.url}/{MANIFEST}")
    files = tuple(_files(manifest))
    folder = cache / f"{name}-{json.loads(data)['checksum'][:16]}"
    if not _is_finished(folder, data, files):
        with lock_folder(folder, work="download", wait_seconds=_PATIENCE_SECONDS, progress=lambda: _latest_change(folder)):
            # Another process may have finished it while this one waited.
            if not _is_finished(folder, data, files):
                _download(remote, folder, files, data)
    return folder


def _files(manifest: Manifest) -> Iterator[_File]:
    for shard in manifest.shards:
        yield _File(name=shard.name, sha256=shard.sha256, bytes=shard.bytes, probe_sha256=None)
        dali_index = f"{shard.name.removesuffix('.tar')}.idx"
        yield _File(name=dali_index, sha256=shard.index_sha256, bytes=None, probe_sha256=None)
    for name, entry in manifest.files.items():
        yield _File(name=name, sha256=entry.sha256, bytes=entry.bytes, probe_sha256=entry.probe_sha256)


def _is_finished(folder: Path, manifest: bytes, files: Sequence[_File]) -> bool:
    try:
        return (folder / MANIFEST).read_bytes() == manifest and all(file.is_plausible(folder) for file in files)
    except OSError:
        return False


def _latest_change(folder: Path) -> int:
    """Return a number that changes while a process downloads."""
    latest = 0
    for path in folder.iterdir():
        # A temporary file may be renamed since the folder was read.
        with suppress(FileNotFoundError):
            latest = max(latest, path.stat().st_mtime_ns)
    return latest


def _download(remote: UrlFolder, folder: Path, files: Sequence[_File], manifest: bytes) -> None:
    local = LocalFolder(str(folder))
    for info in local.list():
        if TEMPORARY.fullmatch(info.name):
            local.remove(info.name)
    with _bar(sum(file.bytes or 0 for file in files)) as advance:
        _download_all(remote, folder, files, advance)
    local.settle()
    # The last of all: a folder without it is not a data set.
    with local.create(MANIFEST) as target:
        target.write(manifest)
    local.settle()


def _download_all(remote: UrlFolder, folder: Path, files: Sequence[_File], advance: Advance) -> None:
    stop = Event()
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        pending = [pool.submit(_provide, remote, folder, file, advance, stop) for file in files]
        try:
            for future in as_completed(pending):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _provide(remote: UrlFolder, folder: Path, file: _File, advance: Advance, stop: Event) -> None:
    if file.is_whole(folder):
        advance(file.bytes or 0)
    else:
        digest, num_bytes = hashlib.sha256(), 0
        with atomic_write(folder / file.name) as target:
            for chunk in remote.stream(file.name):
                if stop.is_set():
                    raise CancelledError
                target.write(chunk)
                digest.update(chunk)
                num_bytes += len(chunk)
                advance(len(chunk) if file.bytes else 0)
            if digest.hexdigest() != file.sha256:
                raise DataError(
                    f"{remote.url}/{file.name}: is not the file that the manifest means (it has {num_bytes} bytes"
                    f"{f' of {file.bytes}' if file.bytes else ''} and another hash); restore it, or pack the data set again"
                )
    # Processes that wait see that this one gets on, even while it only compares what is there already.
    os.utime(folder / LOCK)


@contextmanager
def _bar(num_bytes: int) -> Iterator[Advance]:
    """A line on stderr; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=num_bytes)
        yield lambda more: bar.advance(task, more)
