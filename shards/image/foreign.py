"""What a file is that is neither JPEG nor PNG, and what to do with it."""

from shards.image.header import REPLACE
from shards.kinds import HEAD_BYTES, kind_of

_AGAIN = "download the image again"
_PICTURES = "save its pictures as PNG or JPEG"
_SHOWN_CHARACTERS = 40


def describe(data: bytes) -> str:
    """Return the reason why such bytes are refused: what they are and what to do.

    >>> describe(b"Not Found")
    "is text ('Not Found'), not an image; download the image again"
    """
    if not data:
        return f"is empty; {REPLACE}"
    if kind := kind_of(data):
        return f"is neither JPEG nor PNG but {kind.name}; {kind.advice or _PICTURES}"
    if not any(data[:HEAD_BYTES]):
        return f"holds zeros and no image; {_AGAIN}"
    if text := _as_text(data[:HEAD_BYTES]):
        return f"is text ({text[:_SHOWN_CHARACTERS]!r}), not an image; {_AGAIN}"
    return f"is neither JPEG nor PNG (it begins with {data[:4].hex(' ')}); {REPLACE}"


def _as_text(head: bytes) -> str:
    """Return the beginning of a text on one line; nothing if it is none."""
    try:
        # The last character may be cut.
        text = head.decode("utf-8-sig", "strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return ""
    flat = " ".join(text.split())
    return flat if flat.isprintable() and len(text.encode()) >= min(len(head), HEAD_BYTES) - 4 else ""
