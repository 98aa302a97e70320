"""Which images may be packed: the one policy, so that packing, training and evaluation see the same pixels the same way up.

An image is judged by its content, never by its name: `shards.image.jpeg` and `shards.image.png` say what is taken of each format, and
`shards.image.foreign` what is said of the rest.
"""

from shards.image.foreign import describe
from shards.image.header import BadImageError, ImageHeader
from shards.image.jpeg import JPEG, check_jpeg, read_jpeg
from shards.image.png import PNG, check_png, read_png


def check_image(data: bytes, *, decode: bool) -> ImageHeader:
    """Check that an image may be packed, and return its header.

    Args:
        data: The file's bytes.
        decode: Look at every byte of the pixels too; without, damage inside them goes unseen.

    Raises:
        BadImageError: The policy refuses it.
    """
    if data.startswith(JPEG):
        return check_jpeg(data, decode=decode)
    if data.startswith(PNG):
        return check_png(data, decode=decode)
    raise BadImageError(describe(data))


def read_header(data: bytes) -> ImageHeader:
    """Read an image's header. Nothing is decoded, or allocated for the size that the header claims.

    Raises:
        BadImageError: The policy refuses it.
    """
    if data.startswith(JPEG):
        return read_jpeg(data)
    if data.startswith(PNG):
        return read_png(data)
    raise BadImageError(describe(data))
