"""Keys of samples: from the path of an image to a name that every reader of tars takes."""

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from shards.packing.images import find_twice

MAX_KEY_BYTES = 96
"""A key and its suffix must fit the 100 bytes that USTAR has for a name."""
KEY = re.compile(rb"[A-Za-z0-9_-]{1,96}")

_TO_KEY = bytes(byte if KEY.fullmatch(bytes([byte])) else ord("_") for byte in range(256))
_HASH_DIGITS = 8
_CHUNK = 4096


def key_of(file: bytes) -> bytes:
    """Return what a file's key is unless another file has it: its path without the suffix, `_` for each byte that no key may have.

    A path that is too long is cut, and the hash of the whole appended.

    >>> key_of(b"one.person/0001.jpg"), key_of(b"images (1).jpg"), key_of(b".jpg")
    (b'one_person_0001', b'images__1_', b'_')
    """
    stem, dot, suffix = file.rpartition(b".")
    key = (stem if dot and b"/" not in suffix else file).translate(_TO_KEY) or b"_"
    return key if len(key) <= MAX_KEY_BYTES else _with_hash(key, file)


def keys_of(files: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Return each file's key, no two alike: where files would share one, all but the first by path get a hash of their path.

    Args:
        files: [N] image files, relative to the folder of images, each once.
    """
    chunks = [
        np.array([key_of(name) for name in files[start : start + _CHUNK].tolist()], np.bytes_) for start in range(0, len(files), _CHUNK)
    ]
    keys = np.concatenate(chunks) if chunks else np.array([], "S1")
    if find_twice(keys) is None:
        return keys
    # By path, so that the order of rows does not matter.
    in_order = np.lexsort((files, keys))
    later = in_order[1:][keys[in_order[1:]] == keys[in_order[:-1]]]
    known = keys.tolist()
    for row in later.tolist():
        known[row] = _with_hash(known[row], files[row])
    return np.array(known, np.bytes_)


def _with_hash(key: bytes, file: bytes) -> bytes:
    return key[: MAX_KEY_BYTES - _HASH_DIGITS] + hashlib.sha256(file).hexdigest()[:_HASH_DIGITS].encode()


def tell_files(keys: NDArray[np.bytes_], files: NDArray[np.bytes_]) -> bool:
    """Return whether each key alone tells its file: it is the file's name without the suffix."""
    # No key has a dot: what stands behind the first one, where it has been found, is a suffix.
    return bool(np.all((files == keys) | np.char.startswith(files, np.char.add(keys, b"."))))


def shown(name: bytes) -> str:
    """Return a file name or key as a message shows it."""
    return repr(name.decode("utf-8", "backslashreplace"))
