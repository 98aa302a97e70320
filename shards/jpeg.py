"""Is this file a JPEG that every decoder will decode?"""

import simplejpeg

from shards.errors import DataError

_SOI = b"\xff\xd8"
MAX_PIXELS = 64 * 2**20
"""Largest image that is decoded; more is taken for a decompression bomb."""


def check_jpeg(data: bytes, *, name: str) -> tuple[int, int]:
    """Decode a JPEG strictly and return its width and height in pixels.

    Args:
        data: The file's bytes.
        name: What the error message calls it.

    Raises:
        DataError: The bytes are not a JPEG, are cut or damaged, or claim more than `MAX_PIXELS` pixels (told from the header alone).
    """
    if not data:
        raise DataError(f"{name}: the image file is empty")
    if not data.startswith(_SOI):
        raise DataError(f"{name}: is not a JPEG (it begins with {data[:4].hex(' ')})")
    try:
        height, width = map(int, simplejpeg.decode_jpeg_header(data)[:2])
        if height * width > MAX_PIXELS:
            raise DataError(f"{name}: claims {width}x{height} pixels, more than {MAX_PIXELS}; shrink it before packing")
        # Grey skips the colour planes' transform; every byte is still entropy-decoded, which is where damage shows.
        simplejpeg.decode_jpeg(data, "GRAY")
    except ValueError as error:
        raise DataError(f"{name}: cannot be decoded ({error}); replace the file or remove its row") from error
    return width, height
