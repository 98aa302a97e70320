"""What lies at a path of this machine or at a URL."""

from contextlib import AbstractContextManager
from pathlib import Path

from shards.storage.folder import Folder, is_url
from shards.storage.local_folder import LocalFolder
from shards.storage.lock import lock_folder


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


def lock(url: str) -> AbstractContextManager[None]:
    """Return a lock on a folder of this machine or at a URL, to be held for the length of a `with` block."""
    protocol, _, path = url.partition("://")
    if not is_url(url) or protocol in ("file", "local"):
        return lock_folder(Path(path or url))
    # As above.
    from shards.storage.lease import lease

    return lease(url)
