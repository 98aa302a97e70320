"""What lies at a path of this machine or at a URL."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from shards.errors import DataError
from shards.storage.folder import Files, Folder, is_url
from shards.storage.local_folder import LocalFolder
from shards.storage.lock import lock_folder
from shards.storage.parquet_file import MAGIC, SUFFIX
from shards.storage.parquet_images import ParquetImages

_ZIP = ".zip"
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_ARCHIVES = (
    (b"7z\xbc\xaf\x27\x1c", 0, "7z archive (7z x FILE)"),
    (b"Rar!\x1a\x07", 0, "RAR archive (unrar x FILE)"),
    (b"ustar", 257, "tar archive (tar xf FILE)"),
    (b"\x1f\x8b", 0, "gzip-compressed file (tar xzf FILE, or gunzip FILE)"),
    (b"BZh", 0, "bzip2-compressed file (tar xjf FILE, or bunzip2 FILE)"),
    (b"\xfd7zXZ\0", 0, "xz-compressed file (tar xJf FILE, or unxz FILE)"),
    (b"\x28\xb5\x2f\xfd", 0, "zstd-compressed file (tar --zstd -xf FILE, or unzstd FILE)"),
    (b"PK\x07\x08", 0, "part of a ZIP archive (zip -s 0 FILE --out WHOLE.zip)"),
)
"""First bytes, where they stand, and what it is with the command that unpacks it."""
_HEAD_BYTES = 512


def open_folder(url: str) -> Folder:
    """Return the folder at a path of this machine or at a URL.

    Raises:
        ConfigurationError: The URL's protocol is unknown, or a package for it is missing.
    """
    if not is_url(url):
        return LocalFolder(url)
    # Imported here: work on one machine neither needs fsspec nor waits for it.
    from shards.storage.url_folder import UrlFolder

    return UrlFolder(url)


def open_images(url: str, wanted: Sequence[str] = ()) -> Files:
    """Return the files of a folder of images, on this machine or at a URL, of a ZIP archive, or the images in Parquet files.

    Args:
        url: A path of this machine, or a URL.
        wanted: Names of the images that will be read, where it is known: those of Parquet files are then taken out together.

    Raises:
        ConfigurationError: As `open_folder`.
        DataError: It is another kind of archive, or no folder.
    """
    url = as_path(url)
    if is_url(url):
        # With `::` fsspec itself looks into an archive.
        return open_folder(f"zip://::{url}" if url.lower().endswith(_ZIP) and not url.startswith("zip:") else url)
    path = Path(url)
    if not path.is_file():
        return ParquetImages(url, wanted) if _holds_parquet_only(path) else LocalFolder(url)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{url}: cannot be read ({error.strerror})") from error
    if head.startswith(_ZIP_MAGIC) or path.suffix.lower() == _ZIP:
        # As above: few need it.
        from shards.storage.zip_folder import ZipFolder

        return ZipFolder(url)
    if head.startswith(MAGIC):
        return ParquetImages(url, wanted)
    for magic, at, name in _ARCHIVES:
        if head.startswith(magic, at):
            raise DataError(f"{url}: is a {name}; unpack it, and name the folder")
    raise DataError(f"{url}: is a file, expected a folder of images, a ZIP archive of them, or Parquet that holds them")


def _holds_parquet_only(folder: Path) -> bool:
    """Tell whether Parquet files lie in a folder and no others, but for hidden ones and what Hugging Face puts beside them."""
    found = False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and entry.is_file():
                    found = True
                elif not entry.name.startswith(".") and not entry.name.endswith((".md", ".json")):
                    # A folder of images is known by its first.
                    return False
    except OSError:
        return False
    return found


def as_path(url: str) -> str:
    """Return `zip://FILE` as the path FILE; anything else, fsspec's `zip://FOLDER::FILE` among it, as it is.

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
