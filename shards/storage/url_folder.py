"""A folder at a URL: on S3 or another store that fsspec has a package for. A file is written here first and then uploaded whole.

No call waits for a silent server for more than a minute: a connection may take 5 seconds, an answer 15, and each is tried three times;
what fails within 10 seconds all the same, a broken connection for example, is tried again twice, see `shards.storage.attempts`. An upload
has 45 seconds, and one more for every 256 KiB.
"""

import posixpath
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import fsspec

from shards.errors import ConfigurationError, DataError
from shards.files import temporary_name
from shards.storage.attempts import Attempts
from shards.storage.folder import SCRATCH, FileInfo, UnreadableFileError

_MISSING_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
_APPEARS_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}
"""Protocols whose upload shows nothing before it is complete; with the others a temporary name and a rename do that."""

_S3 = {"s3", "s3a"}
_S3_OPTIONS: dict[str, Any] = {
    "config_kwargs": {"connect_timeout": 5, "read_timeout": 15, "retries": {"total_max_attempts": 3, "mode": "standard"}},
    # With more, s3fs asks for the size before every file it reads: twice the requests. Many small files are read at a time all the same.
    "max_concurrency": 1,
}

_UPLOAD_SECONDS = 45.0
_SLOWEST_BYTES_PER_SECOND = 2**18
_CHUNK_BYTES = 8 * 2**20


class UrlFolder:
    """A folder at a URL that fsspec understands."""

    def __init__(self, url: str) -> None:
        """Name it; nothing is asked of the server yet.

        Raises:
            ConfigurationError: The protocol is unknown, or a package for it is missing.
        """
        self.url = url.rstrip("/")
        self._protocol = url.partition("://")[0]
        options = _S3_OPTIONS if self._protocol in _S3 else {}
        try:
            # Other processes write there too: no listing is remembered.
            self._fs, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as error:
            package = _MISSING_PACKAGES.get(self._protocol, f"fsspec's package for {self._protocol}")
            raise ConfigurationError(f"{url}: needs {package}; pip install {package}") from error
        except ValueError as error:
            raise ConfigurationError(f"{url}: is no URL that fsspec knows ({error})") from error
        if self._protocol in _S3:
            # s3fs's own tries would multiply with those of the library below it, and with each other.
            self._fs.retries = 1

    def list(self) -> Iterator[FileInfo]:
        """Yield all files below the URL, holding one answer of the server at a time."""
        for name, size, version in self._s3_objects() if self._protocol in _S3 else self._files():
            # An object whose name ends in a slash is some browser's way to show an empty folder.
            if name and not name.endswith("/"):
                yield FileInfo(name, size, version)

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the files' contents; a store over the network answers for many at once."""
        return self._read([(name, None, None) for name in names])

    def read_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """Yield parts of a file, each given by its first byte and the one behind its last."""
        return self._read([(name, start, stop) for start, stop in ranges])

    def find(self, name: str) -> FileInfo | None:
        """Return what a listing would tell of one file, None if there is no such file."""
        path = self._path(name)

        def look() -> dict[str, Any] | None:
            with suppress(FileNotFoundError):
                return self._fs.info(path)
            return None

        found = self._try(name, "cannot be read", look)
        return FileInfo(name, int(found["size"] or 0), _version(found)) if found and found["type"] == "file" else None

    def read_if_there(self, name: str) -> bytes | None:
        """Return a file's content, None if there is no such file."""
        path = self._path(name)

        def read() -> bytes | None:
            with suppress(FileNotFoundError):
                return self._fs.cat_file(path)
            return None

        return self._try(name, "cannot be read", read)

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a file's content in pieces of a few MB."""
        path = self._path(name)
        opened = self._try(name, "cannot be read", lambda: self._fs.open(path, "rb", block_size=_CHUNK_BYTES, cache_type="none"))
        with opened as file:
            while chunk := self._try(name, "cannot be read", lambda: file.read(_CHUNK_BYTES)):
                yield chunk

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """Write here, then upload."""
        path = self._path(name)
        with self.scratch() as scratch:
            local = scratch / "file"
            try:
                with local.open("wb") as file:
                    yield file
            except OSError as error:
                raise DataError(
                    f"{self.url}/{name}: cannot be written here before it is uploaded: {scratch.parent}: {error.strerror}; "
                    "make room, or set TMPDIR to a larger folder"
                ) from error
            self._try(name, "cannot be written", lambda: self._upload(local, path))

    def write(self, name: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Write a small file in one request.

        Args:
            name: The file.
            content: All of it.
            exclusive: Only if there is none of that name.

        Returns:
            Whether it was written. A store that takes no condition is asked first and then written to.
        """
        path = self._path(name)

        def write() -> bool:
            try:
                self._fs.pipe_file(path, content, mode="create" if exclusive else "overwrite", **self._limit(len(content)))
            except FileExistsError:
                return False
            except NotImplementedError:
                if self._fs.exists(path):
                    return False
                self._fs.pipe_file(path, content, **self._limit(len(content)))
            return True

        return self._try(name, "cannot be written", write)

    def remove(self, name: str) -> None:
        """Delete a file."""
        path = self._path(name)

        def remove() -> None:
            with suppress(FileNotFoundError):
                self._fs.rm_file(path)

        self._try(name, "cannot be removed", remove)

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name; most stores copy it."""
        self._try(name, "cannot be renamed", lambda: self._fs.mv(self._path(name), self._path(new_name)))

    def remove_empty_folders(self, prefixes: tuple[str, ...]) -> None:
        """Do nothing: an object store has no folders."""

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """Download the file for the length of the block."""
        path = self._path(name)
        with self.scratch() as scratch:
            local = scratch / (posixpath.basename(name) or "file")
            self._try(name, "cannot be read", lambda: self._fs.get_file(path, str(local)))
            if not local.is_file():
                raise DataError(f"{self.url}/{name}: is a folder, not a file; name the file")
            yield local

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a folder where temporary files go."""
        try:
            scratch = tempfile.TemporaryDirectory(prefix=SCRATCH)
        except OSError as error:
            raise DataError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); make room, or set TMPDIR") from error
        with scratch as name:
            yield Path(name)

    def settle(self) -> None:
        """Do nothing: an upload that has ended lasts."""

    def _read(self, parts: Sequence[tuple[str, int | None, int | None]]) -> Iterator[bytes]:
        """Yield each file from its first byte to the one behind its last; without these, all of it."""
        attempts = [self._attempts(name, "cannot be read") for name, _, _ in parts]
        where = [(self._path(name), start, stop) for name, start, stop in parts]
        columns = [list(column) for column in zip(*where, strict=True)] or [[], [], []]
        found = self._try("", "cannot be read", lambda: self._fs.cat_ranges(*columns, on_error="return"))
        for number, part in enumerate(where):
            # Of the others, wrong credentials for example, the next file would suffer as well.
            if isinstance(found[number], FileNotFoundError):
                raise UnreadableFileError(f"{self.url}/{parts[number][0]}: cannot be read (no such file)") from found[number]
            if isinstance(found[number], Exception):
                attempts[number].failed(found[number])
                found[number] = attempts[number].run(partial(self._fs.cat_file, *part))
            yield found[number]

    def _s3_objects(self) -> Iterator[tuple[str, int, str]]:
        """A thousand at a time: fsspec's own ways hold all of them at once, a kilobyte each."""
        bucket, key, _ = self._fs.split_path(self._root)
        prefix = f"{key}/" if key else ""
        more: dict[str, str] = {}
        while True:
            ask = partial(self._fs.call_s3, "list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
            page = self._try("", "cannot be listed", ask)
            for entry in page.get("Contents", ()):
                yield entry["Key"][len(prefix) :], entry["Size"], entry["ETag"]
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _files(self) -> Iterator[tuple[str, int, str]]:
        pending = [self._root]
        while pending:
            folder = pending.pop()
            for entry in self._try("", "cannot be listed", partial(self._entries, folder)):
                path = entry["name"]
                if path.rstrip("/") == folder.rstrip("/"):
                    continue
                if entry["type"] == "directory":
                    pending.append(path)
                    continue
                yield path.removeprefix(self._root.rstrip("/")).removeprefix("/"), int(entry["size"]), _version(entry)

    def _entries(self, folder: str) -> Sequence[dict[str, Any]]:
        try:
            return self._fs.ls(folder, detail=True)
        except FileNotFoundError:
            return []

    def _upload(self, local: Path, path: str) -> None:
        limit = self._limit(local.stat().st_size)
        if self._protocol in _APPEARS_WHOLE:
            self._fs.put_file(str(local), path, **limit)
            return
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/{temporary_name(name)}"
        self._fs.makedirs(folder, exist_ok=True)
        try:
            self._fs.put_file(str(local), temporary, **limit)
            self._fs.mv(temporary, path)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(temporary)
            raise

    def _limit(self, num_bytes: int) -> dict[str, float]:
        """The libraries wait without end for a server that does not take what is sent; fsspec's own limit ends that."""
        return {"timeout": _UPLOAD_SECONDS + num_bytes / _SLOWEST_BYTES_PER_SECOND} if self._fs.async_impl else {}

    def _path(self, name: str) -> str:
        if "?versionId=" in name:
            raise DataError(f"{self.url}/{name}: s3fs would take the end of this name for a version; rename the file")
        return f"{self._root.rstrip('/')}/{name}"

    def _try(self, name: str, what: str, action: Callable[[], Any]) -> Any:  # noqa: ANN401 (whatever the action returns)
        return self._attempts(name, what).run(action)

    def _attempts(self, name: str, what: str) -> Attempts:
        return Attempts(f"{self.url}{'/' if name else ''}{name}: {what}")


def _version(entry: Mapping[str, Any]) -> str:
    return next((str(entry[tag]) for tag in ("ETag", "etag", "mtime", "updated", "created") if entry.get(tag)), "")
