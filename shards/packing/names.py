"""When two names of a file are the same: how tables made elsewhere spell the files of this folder."""

import re
import unicodedata
from collections.abc import Callable

from shards.image.header import IMAGE_SUFFIXES

_SYSTEM = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"}
"""Files and folders that systems put beside images, lower case."""
_FLOAT = re.compile(r"(?<=\d)\.0\Z")
SUFFIXES = tuple(suffix.encode() for suffix in IMAGE_SUFFIXES)

Spelling = Callable[[bytes], bytes]
"""What is left of a name when a difference in spelling is taken out of it."""


def stem_of(name: bytes) -> bytes:
    r"""Return a name without its image suffix, whatever its case, and with `/` between the parts.

    >>> stem_of(b"train\\1.JPG"), stem_of(b"1.jpg.chip.jpg"), stem_of(b"notes.txt")
    (b'train/1', b'1.jpg.chip', b'notes.txt')
    """
    plain = name.replace(b"\\", b"/")
    suffix = next((suffix for suffix in SUFFIXES if plain.lower().endswith(suffix)), b"")
    return plain[: len(plain) - len(suffix)] if len(suffix) < len(plain.rpartition(b"/")[2]) else plain


def folded(name: bytes) -> bytes:
    """Return the stem in one case and one form of Unicode: macOS takes accents from their letters.

    >>> folded(b"IMG_1.JPG")
    b'img_1'
    """
    # 1.0: how pandas writes the number of an image in a column with gaps.
    text = _FLOAT.sub("", stem_of(name).decode("utf-8", "surrogateescape"))
    return unicodedata.normalize("NFC", text.casefold()).encode("utf-8", "surrogateescape")


def bare(name: bytes) -> bytes:
    """Return the folded stem without its folders.

    >>> bare(b"images_001/images/00000001_000.png")
    b'00000001_000'
    """
    return folded(name).rpartition(b"/")[2]


def is_bare(name: bytes) -> bool:
    """Return whether a name has no folder in it."""
    return b"/" not in name and b"\\" not in name


def is_hidden(name: bytes) -> bool:
    """Return whether a file is hidden or a system's own, or lies in such a folder.

    >>> is_hidden(b"a/._1.jpg"), is_hidden(b"@eaDir/1.jpg/THUMB.jpg"), is_hidden(b"a/1.jpg")
    (True, True, False)
    """
    parts = name.split(b"/")
    return any(part.startswith(b".") or part.lower().decode("utf-8", "replace") in _SYSTEM for part in parts)
