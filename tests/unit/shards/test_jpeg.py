"""The check that every image passes before it is packed."""

import io

import numpy as np
import pytest
from PIL import Image

from shards.errors import DataError
from shards.jpeg import check_jpeg

PIXELS = np.random.default_rng(0).integers(0, 255, (218, 178, 3), dtype=np.uint8)


def encode(format_name: str = "JPEG", mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("data", [encode(quality=90), encode(progressive=True), encode(mode="L")], ids=["baseline", "progressive", "grey"])
def test_returns_width_and_height(data):
    assert check_jpeg(data, name="x.jpg") == (178, 218)


def oversized() -> bytes:
    data = bytearray(encode())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = (65500).to_bytes(2, "big") * 2
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (encode()[:-2], "cannot be decoded"),
        (encode()[: len(encode()) // 2], "cannot be decoded"),
        (encode()[:300], "cannot be decoded"),
        (b"\xff\xd8" + bytes(1000), "cannot be decoded"),
        (encode("PNG"), "is not a JPEG .it begins with 89 50 4e 47"),
        (encode("GIF"), "is not a JPEG"),
        (b"<html>quota exceeded</html>", "is not a JPEG"),
        (oversized(), "claims 65500x65500 pixels"),
    ],
    ids=["empty", "no-end-marker", "half", "header-only", "zeros", "png", "gif", "html", "bomb"],
)
def test_refuses_with_the_name(data, message):
    with pytest.raises(DataError, match=rf"^faces/x\.jpg: .*{message}"):
        check_jpeg(data, name="faces/x.jpg")
