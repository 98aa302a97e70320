"""What a file is, told by how it begins, whatever it is called; and what to do with it where something else is wanted."""

import re
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 512
"""As much of a file is enough to tell."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file."""

    pattern: re.Pattern[bytes]
    """Matches the beginning of such a file."""
    name: str
    """With its article."""
    category: Literal["archive", "image", "table", "document", "failure"]
    """An archive has to be unpacked, an image and a table to be saved as another kind; a failure is what came in place of the file."""
    advice: str
    """What to do, as far as the kind alone decides it."""


def _kind(pattern: bytes, name: str, category: Literal["archive", "image", "table", "document", "failure"], advice: str = "") -> Kind:
    return Kind(re.compile(pattern, re.DOTALL), name, category, advice)


_MAGICK = "convert it to PNG or JPEG (ImageMagick: mogrify -format png FILE)"
_KINDS = (
    _kind(rb"version https?://git-lfs\.github\.com/", "a Git LFS pointer, not the file itself", "failure", "run git lfs pull"),
    _kind(
        rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body|!--))", "an HTML page (a failed download?)", "failure", "download it again"
    ),
    _kind(rb"PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels/|docProps/|xl/)", "an Excel sheet (.xlsx) or another Office file", "table"),
    _kind(rb"PK\x03\x04|PK\x05\x06", "a ZIP archive", "archive", "unpack it (unzip FILE)"),
    _kind(rb"PK\x07\x08", "a part of a ZIP archive", "failure", "join its parts (zip -s 0 FILE.zip --out WHOLE.zip), and name WHOLE.zip"),
    _kind(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "archive", "unpack it (7z x FILE)"),
    _kind(rb"Rar!\x1a\x07", "a RAR archive", "archive", "unpack it (unrar x FILE)"),
    _kind(rb".{257}ustar", "a tar archive", "archive", "unpack it (tar xf FILE)"),
    _kind(rb"\x1f\x8b", "a gzip-compressed file", "archive", "unpack it (tar xzf FILE, or gunzip FILE)"),
    _kind(rb"BZh", "a bzip2-compressed file", "archive", "unpack it (tar xjf FILE, or bunzip2 FILE)"),
    _kind(rb"\xfd7zXZ\0", "an xz-compressed file", "archive", "unpack it (tar xJf FILE, or unxz FILE)"),
    _kind(rb"\x28\xb5\x2f\xfd", "a zstd-compressed file", "archive", "unpack it (tar --zstd -xf FILE, or unzstd FILE)"),
    _kind(rb"\xff\xd8\xff", "a JPEG image", "image"),
    _kind(rb"\x89PNG", "a PNG image", "image"),
    _kind(rb"GIF8", "a GIF image", "image", _MAGICK),
    _kind(rb"BM.{4}\0\0\0\0", "a BMP image", "image", _MAGICK),
    _kind(rb"RIFF....WEBP", "a WebP image", "image", _MAGICK),
    _kind(rb"II[*+]\0|MM\0[*+]", "a TIFF image", "image", _MAGICK),
    _kind(rb"....ftypavi[fs]", "an AVIF image", "image", "convert it to PNG or JPEG (libavif: avifdec FILE OUT.png)"),
    _kind(rb"....ftyp(he|mif1|msf1)", "a HEIC image", "image", "convert it to JPEG (libheif: heif-convert FILE OUT.jpg)"),
    _kind(
        rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image", "image", "convert it to PNG (OpenJPEG: opj_decompress -i FILE -o O.png)"
    ),
    _kind(rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL image", "image", "convert it to PNG or JPEG (libjxl: djxl FILE OUT.jpg)"),
    _kind(rb"....ftyp", "a video", "document"),
    _kind(rb"%PDF", "a PDF document", "document"),
    _kind(rb"PAR1", "a Parquet file", "table"),
    _kind(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel sheet (.xls) or another old Office file", "table"),
    _kind(rb"MATLAB 5.0 MAT-file", "a MATLAB file (scipy.io.loadmat reads it)", "table"),
    _kind(rb"\x89HDF\r\n\x1a\n", "an HDF5 or MATLAB 7.3 file (h5py reads it)", "table"),
    _kind(rb"\x93NUMPY", "a NumPy array", "table"),
    _kind(rb"ARROW1|FEA1", "an Arrow or Feather file", "table"),
    _kind(rb"SQLite format 3\0", "an SQLite database", "table"),
    # Reading one could run whatever its writer wanted.
    _kind(rb"\x80[\x02-\x05]", "a pickle, which is never opened here", "table"),
)


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of a file, None if it is none of those that are known.

    Args:
        head: The first `HEAD_BYTES` bytes of the file, or more, or all of it.
    """
    return next((kind for kind in _KINDS if kind.pattern.match(head)), None)
