"""Smaller JPEGs made of photographs that are larger than anyone trains on."""

import io

import PIL
from PIL import Image, features

from shards.image.header import REPLACE, BadImageError, ImageHeader
from shards.image.png import without_extras

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the picture upright."""
_ROOM = 2
"""A JPEG is decoded at no less than so many times the size that is wanted: the decoder's own halving is coarser than the filter."""
_GREY = ("1", "L", "LA")


def encoder() -> str:
    """Return library and version: with the same one equal images give equal bytes."""
    return f"Pillow {PIL.__version__} with libjpeg-turbo {features.version('libjpeg_turbo') or features.version('jpg')}"


def shrink(data: bytes, header: ImageHeader, *, side: int, quality: int) -> tuple[bytes, ImageHeader]:
    """Return a JPEG of the upright picture, without EXIF, profile or comment, and its header. Grey stays grey.

    Args:
        data: An image that was checked.
        header: Its header.
        side: Pixels of the shorter side; an image whose shorter side is no longer keeps its size.
        quality: Of the JPEG, 1 to 100.

    Raises:
        BadImageError: Its pixels cannot be decoded.
    """
    scale = min(1.0, side / min(header.width, header.height))
    width, height = (max(1, round(length * scale)) for length in (header.width, header.height))
    try:
        plain = without_extras(data) if header.suffix == "png" else data
        with Image.open(io.BytesIO(plain), formats=["JPEG", "PNG"]) as image:
            if header.suffix == "jpg":
                image.draft(None, (_ROOM * max(width, height),) * 2 if scale < 1 else image.size)
            picture = image.convert("L" if image.mode in _GREY else "RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise BadImageError(f"cannot be decoded ({' '.join(str(error).split())}); {REPLACE}") from error
    if header.orientation in _TURNS:
        picture = picture.transpose(_TURNS[header.orientation])
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    # Pillow would write a comment that it has read.
    picture.info = {}
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue(), ImageHeader(suffix="jpg", width=width, height=height, orientation=1)
