"""What a file is that is neither JPEG nor PNG, and what to do with it."""

import re

from shards.image.header import REPLACE

_AGAIN = "download the image again"
_MAGICK = "convert it to PNG or JPEG (ImageMagick: mogrify -format png FILE)"
_FORMATS = tuple(
    (re.compile(pattern, re.DOTALL), name, advice)
    for pattern, name, advice in (
        (rb"GIF8", "a GIF image", _MAGICK),
        (rb"BM.{4}\0\0\0\0", "a BMP image", _MAGICK),
        (rb"RIFF....WEBP", "a WebP image", _MAGICK),
        (rb"II[*+]\0|MM\0[*+]", "a TIFF image", _MAGICK),
        (rb"....ftypavi[fs]", "an AVIF image", "convert it to PNG or JPEG (libavif: avifdec FILE OUT.png)"),
        (rb"....ftyp(he|mif1|msf1)", "a HEIC image", "convert it to JPEG (libheif: heif-convert FILE OUT.jpg)"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image", "convert it to PNG (OpenJPEG: opj_decompress -i FILE -o OUT.png)"),
        (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL image", "convert it to PNG or JPEG (libjxl: djxl FILE OUT.jpg)"),
        (rb"\x93NUMPY", "a NumPy array", "save its pictures as PNG"),
        (rb"....ftyp", "a video", "take its pictures out as PNG or JPEG"),
        (rb"%PDF", "a PDF document", "save its pictures as PNG or JPEG"),
        (rb"PK\x03\x04", "a ZIP archive", "unpack it"),
        (rb"\x1f\x8b", "a gzip-compressed file", "unpack it"),
        (rb"version https?://git-lfs\.github\.com/", "a Git LFS pointer, not the image itself", "run git lfs pull"),
        (rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|!--))", "an HTML page", _AGAIN),
    )
)
_HEAD_BYTES = 512
_SHOWN_CHARACTERS = 40


def describe(data: bytes) -> str:
    """Return the reason why such bytes are refused: what they are and what to do.

    >>> describe(b"Not Found")
    "is text ('Not Found'), not an image; download the image again"
    """
    if not data:
        return f"is empty; {REPLACE}"
    for pattern, name, advice in _FORMATS:
        if pattern.match(data):
            return f"is neither JPEG nor PNG but {name}; {advice}"
    if not any(data[:_HEAD_BYTES]):
        return f"holds zeros and no image; {_AGAIN}"
    if text := _as_text(data[:_HEAD_BYTES]):
        return f"is text ({text[:_SHOWN_CHARACTERS]!r}), not an image; {_AGAIN}"
    return f"is neither JPEG nor PNG (it begins with {data[:4].hex(' ')}); {REPLACE}"


def _as_text(head: bytes) -> str:
    """Return the beginning of a text on one line; nothing if it is none."""
    try:
        # The last character may be cut.
        text = head.decode("utf-8-sig", "strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return ""
    flat = " ".join(text.split())
    return flat if flat.isprintable() and len(text.encode()) >= min(len(head), _HEAD_BYTES) - 4 else ""
