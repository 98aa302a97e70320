"""Smaller JPEGs made of larger images."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from shards.image import resize
from shards.image.check import check_image
from shards.image.header import BadImageError, ImageHeader
from shards.image.resize import shrink

CORNERS = np.array([[[230, 30, 30], [30, 200, 40]], [[40, 40, 220], [220, 210, 60]]], np.uint8)
PHOTOGRAPH = Image.fromarray(CORNERS).resize((600, 400), Image.Resampling.BICUBIC)


def encode(format_name: str = "JPEG", mode: str = "RGB", orientation: int | None = None, **options) -> bytes:
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
        options["exif"][0x010E] = "a secret place"
    buffer = io.BytesIO()
    PHOTOGRAPH.convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


def shrunk(data: bytes, side: int = 100, quality: int = 95) -> tuple[Image.Image, ImageHeader]:
    header = check_image(data, decode=True)
    small, found = shrink(data, header, side=side, quality=quality)
    assert check_image(small, decode=True).width == found.width
    image = Image.open(io.BytesIO(small))
    assert (image.format, image.size) == ("JPEG", (found.width, found.height))
    return image, found


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_upright_and_small_and_says_nothing_more(format_name, orientation):
    data = encode(format_name, orientation=orientation, icc_profile=b"profile" * 30)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    small, header = shrunk(data)
    assert min(small.size) == 100
    assert header == ImageHeader(suffix="jpg", width=small.width, height=small.height, orientation=1)
    wanted = np.asarray(upright.convert("RGB").resize(small.size, Image.Resampling.LANCZOS), int)
    assert np.abs(np.asarray(small, int) - wanted).mean() < 1.5
    assert not small.getexif()
    assert small.info.keys() == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    ("size", "side", "wanted"), [((600, 400), 100, (150, 100)), ((400, 600), 100, (100, 150)), ((999, 3), 2, (666, 2))]
)
def test_the_shorter_side_is_what_was_asked_for(size, side, wanted):
    buffer = io.BytesIO()
    PHOTOGRAPH.resize(size).save(buffer, "JPEG")
    assert shrunk(buffer.getvalue(), side)[0].size == wanted


@pytest.mark.parametrize("side", [400, 401, 65_500])
def test_none_is_enlarged(side):
    assert shrunk(encode(), side)[0].size == (600, 400)


@pytest.mark.parametrize(("mode", "format_name"), [("L", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("LA", "PNG")])
def test_grey_stays_grey(mode, format_name):
    assert shrunk(encode(format_name, mode))[0].mode == "L"


@pytest.mark.parametrize(("mode", "format_name"), [("RGB", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("RGB", "MPO")])
def test_colour_stays_colour(mode, format_name):
    assert shrunk(encode(format_name, mode))[0].mode == "RGB"


def test_the_quality_is_that_of_the_jpeg():
    sizes = []
    for quality in (30, 95):
        buffer = io.BytesIO()
        shrunk(encode(), quality=quality)[0].save(buffer, "JPEG", quality="keep")
        sizes.append(len(buffer.getvalue()))
    assert sizes[0] < 0.7 * sizes[1]


def test_equal_images_give_equal_bytes():
    data = encode(progressive=True)
    header = check_image(data, decode=True)
    assert len({shrink(data, header, side=64, quality=90)[0] for _ in range(3)}) == 1


def test_what_cannot_be_decoded_is_named():
    data = encode()
    header = check_image(data, decode=True)
    with pytest.raises(BadImageError, match=r"cannot be decoded \(.*truncated.*\); replace the file"):
        shrink(data[: len(data) // 2], header, side=64, quality=90)


def test_the_encoder_is_named_with_its_versions():
    assert resize.encoder().startswith("Pillow ")
    assert "with libjpeg-turbo " in resize.encoder()
