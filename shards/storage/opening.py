"""What lies at a path of this machine or at a URL."""

import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from shards.errors import ConfigurationError, DataError
from shards.kinds import HEAD_BYTES
from shards.storage.folder import Files, Folder, is_url
from shards.storage.local_folder import LocalFolder
from shards.storage.lock import lock_folder
from shards.storage.parquet_file import MAGIC, SUFFIX
from shards.storage.parquet_images import ParquetImages, parquet_files_of
from shards.storage.zip_directory import ZIP_STARTS, not_a_zip
from shards.storage.zip_folder import ZipFolder

_ZIP = ".zip"


def open_folder(url: str) -> Folder:
    """Return the folder at a path of this machine or at a URL, to be read and written.

    Raises:
        ConfigurationError: The URL's protocol is unknown, a package for it is missing, or it is an archive.
    """
    if not is_url(url):
        return LocalFolder(url)
    if url.startswith("zip:"):
        raise ConfigurationError(f"{url}: is in an archive, where nothing is written; name a folder")
    # Imported here: work on one machine neither needs fsspec nor waits for it.
    from shards.storage.url_folder import UrlFolder

    return UrlFolder(url)


def open_images(url: str, wanted: Sequence[str] = ()) -> Files:
    """Return the files of a folder of images, or of a ZIP archive of them, on this machine or at a URL; or the images in Parquet files.

    Args:
        url: A path of this machine, or a URL.
        wanted: Names of the images that will be read, where it is known: those of Parquet files are then taken out together.

    Raises:
        ConfigurationError: The URL's protocol is unknown, or a package for it is missing.
        DataError: It is another kind of archive, or no folder.
    """
    url = as_path(url)
    inside, _, archive = url.rpartition("::")
    # A chain of more, and other protocols, are left to fsspec.
    if inside.startswith("zip://") and "::" not in inside:
        opened = open_images(archive)
        if isinstance(opened, ZipFolder):
            return ZipFolder(archive, inside.removeprefix("zip://"))
        if not is_url(archive):
            raise DataError(f"{url}: there is no ZIP archive {archive}")
    if not is_url(url):
        return _open_local(url, wanted)
    # As above.
    from shards.storage.url_folder import UrlFolder

    if url.lower().endswith(SUFFIX):
        raise DataError(f"{url}: images in Parquet files are read on this machine only; download the file, and name it")
    name = url.rpartition("/")[2]
    if url.lower().endswith(_ZIP) and not inside and UrlFolder(url.removesuffix(name)).find(name):
        return ZipFolder(url)
    return UrlFolder(url)


def is_zip(url: str) -> bool:
    """Tell whether the images lie in a ZIP archive: a folder of it is `zip://FOLDER::FILE`, and not `FILE/FOLDER`."""
    return "::" in url or isinstance(open_images(url), ZipFolder)


def _open_local(path: str, wanted: Sequence[str]) -> Files:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return ParquetImages(path, wanted) if parquet_files_of(path) else LocalFolder(path)
        with Path(path).open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        return LocalFolder(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if head.startswith(MAGIC):
        return ParquetImages(path, wanted)
    if head.startswith(ZIP_STARTS) or path.lower().endswith(_ZIP):
        return ZipFolder(path)
    kind = not_a_zip(head) or "is a file, expected a folder of images, a ZIP archive of them, or Parquet that holds them"
    raise DataError(f"{path}: {kind}")


def as_path(url: str) -> str:
    """Return `zip://FILE` as the path FILE; anything else, `zip://FOLDER::FILE` among it, as it is.

    >>> as_path("zip://faces.zip"), as_path("zip://img::faces.zip")
    ('faces.zip', 'zip://img::faces.zip')
    """
    return url.removeprefix("zip://") if "::" not in url else url


def lock(url: str) -> AbstractContextManager[None]:
    """Return a lock on a folder of this machine or at a URL, to be held for the length of a `with` block."""
    protocol, _, path = url.partition("://")
    if not is_url(url) or protocol in ("file", "local"):
        return lock_folder(Path(path or url))
    # As above.
    from shards.storage.lease import lease

    return lease(url)
