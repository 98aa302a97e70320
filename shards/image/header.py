"""What is known of an image before it is decoded, its limits, and the error for one that may not be packed."""

from dataclasses import dataclass
from typing import Literal

MAX_PIXELS = 64 * 2**20
"""Largest image that is decoded; more is taken for a decompression bomb."""
MAX_SIDE = 65_500
"""Largest width and height: a JPEG can have no more, not even the black one that takes the place of a damaged image."""
MAX_BYTES = 64 * 2**20
"""Largest file that is read."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""Lower case; suffixes by which a file name is known for an image's."""

REPLACE = "replace the file or remove its row"

Suffix = Literal["jpg", "png"]
"""Of a member in a shard: what its content is, whatever the file was called."""


class BadImageError(ValueError):
    """An image that may not be packed. The message is the reason and what to do, on one line, without the file's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageHeader:
    """What an image says of itself."""

    suffix: Suffix
    """Its format."""
    width: int
    """Pixels of the upright picture."""
    height: int
    """Pixels of the upright picture."""
    orientation: int = 1
    """How the stored picture lies, as EXIF has it, 1 to 8; 1 is upright."""


def check_size(width: int, height: int) -> None:
    """Refuse a picture without pixels or with too many.

    Raises:
        BadImageError: It is one.
    """
    if not width or not height:
        raise BadImageError(f"has no size ({width}x{height}); {REPLACE}")
    if width * height > MAX_PIXELS:
        raise BadImageError(f"claims {width}x{height} pixels, more than {MAX_PIXELS}; shrink it before packing")
