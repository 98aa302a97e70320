"""The policy on images, and the check that every one passes before it is packed."""

import io

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from shards.image.check import check_image, read_header
from shards.image.header import MAX_PIXELS, BadImageError
from shards.image.jpeg import MAX_SCANS, MAX_SEGMENTS

PIXELS = np.random.default_rng(0).integers(0, 255, (218, 178, 3), dtype=np.uint8)
ORIENTATION = 0x0112


def encode(
    format_name: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (178, 218), orientation: int | None = None, **options
) -> bytes:
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = orientation
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).resize(size).convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


BASELINE, PROGRESSIVE, GREY = encode(), encode(progressive=True), encode(mode="L")


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def insert(*segments: bytes, base: bytes = BASELINE) -> bytes:
    """Put segments behind the JFIF segment, which Pillow writes first."""
    return base[:20] + b"".join(segments) + base[20:]


def without_jfif(*segments: bytes) -> bytes:
    return BASELINE[:2] + b"".join(segments) + BASELINE[20:]


def patch(base: bytes, marker: int, at: int, new: bytes) -> bytes:
    """Overwrite bytes of a segment, counted from its marker."""
    start = base.index(bytes([0xFF, marker])) + at
    return base[:start] + new + base[start + len(new) :]


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def exif(orientation: int) -> bytes:
    data = encode(orientation=orientation)
    return data[20 : 22 + int.from_bytes(data[22:24], "big")]


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(
    ("data", "size", "components"),
    [
        (BASELINE, (178, 218), 3),
        (PROGRESSIVE, (178, 218), 3),
        (GREY, (178, 218), 1),
        (encode(mode="L", progressive=True), (178, 218), 1),
        (encode(optimize=True), (178, 218), 3),
        (encode(restart_marker_blocks=1), (178, 218), 3),
        (encode(size=(1, 1)), (1, 1), 3),
        (encode(size=(3000, 20)), (3000, 20), 3),
        *((simplejpeg.encode_jpeg(PIXELS, colorsubsampling=name), (178, 218), 3) for name in ("444", "422", "420", "440", "411")),
        (encode(orientation=3), (178, 218), 3),
        (encode(orientation=6), (218, 178), 3),
        (insert(b"\xff\xff\xff"), (178, 218), 3),
        (insert(adobe(1)), (178, 218), 3),
        (insert(adobe(0), base=GREY), (178, 218), 1),
        (without_jfif(), (178, 218), 3),
        (insert(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), exif(8)), (218, 178), 3),
        (patch(BASELINE, 0xC0, 1, b"\xc1"), (178, 218), 3),
        (BASELINE + b"appended by the camera", (178, 218), 3),
        (BASELINE + BASELINE, (178, 218), 3),
    ],
    ids=(
        "baseline progressive grey grey-progressive optimised restart 1x1 3000x20 444 422 420 440 411 turned-180 turned-90 fill-bytes "
        "adobe-ycbcr adobe-grey no-jfif xmp-before-exif extended trailing two-in-one-file"
    ).split(),
)
def test_takes_it_and_returns_what_it_is(data, size, components, decode):
    header = check_image(data, decode=decode)
    assert (header.width, header.height) == size
    assert header.components == components
    assert header.progressive == (b"\xff\xc2" in data[:1000])
    assert data[header.scan_start : header.scan_start + 2] == b"\xff\xda"


@pytest.mark.parametrize("orientation", range(9 + 1))
def test_orientation_zero_and_nine_mean_upright(orientation):
    assert read_header(encode(orientation=orientation)).orientation == (orientation if 1 <= orientation <= 8 else 1)


def frame(width: int = 178, height: int = 218, base: bytes = BASELINE, marker: int = 0xC0) -> bytes:
    return patch(base, marker, 5, height.to_bytes(2, "big") + width.to_bytes(2, "big"))


def without_frame() -> bytes:
    return patch(BASELINE, 0xC0, 1, b"\xfe")


def without_scans(data: bytes) -> bytes:
    return data[: data.index(b"\xff\xda")]


REFUSED = {
    "cmyk": (encode(mode="CMYK"), "is a CMYK JPEG, .*; convert it to RGB"),
    "two-channels": (insert(segment(0xC0, b"\x08\0\x08\0\x08\2" + bytes(6)), base=without_frame()), "is a 2-channel JPEG"),
    "rgb-by-adobe": (without_jfif(adobe(0)), "is an RGB-coded JPEG, .*; save it anew"),
    "rgb-by-adobe-with-jfif": (insert(adobe(0)), "is an RGB-coded JPEG"),
    "rgb-by-name": (encode(keep_rgb=True), "is an RGB-coded JPEG"),
    "subsampling": (patch(BASELINE, 0xC0, 11, b"\x31"), "has the rare colour subsampling 31 11 11; save"),
    "subsampling-differs": (patch(BASELINE, 0xC0, 14, b"\x12"), "has the rare colour subsampling 22 12 11"),
    "subsampling-zero": (patch(BASELINE, 0xC0, 14, b"\0\1\3\0"), "has the rare colour subsampling 22 00 00"),
    "12-bit": (patch(BASELINE, 0xC0, 4, b"\x0c"), "has 12 bits a channel"),
    "lossless": (patch(BASELINE, 0xC0, 1, b"\xc3"), "is a JPEG of lossless coding"),
    "arithmetic": (patch(BASELINE, 0xC0, 1, b"\xc9"), "is a JPEG of arithmetic coding"),
    "arithmetic-progressive": (patch(PROGRESSIVE, 0xC2, 1, b"\xca"), "is a JPEG of arithmetic coding"),
    "hierarchical": (patch(BASELINE, 0xC0, 1, b"\xc5"), "is a JPEG of hierarchical coding"),
    "jpeg-ls": (patch(BASELINE, 0xC0, 1, b"\xf7"), "is a JPEG of JPEG-LS coding"),
    "zero-width": (frame(width=0), "has no size .0x218."),
    "zero-height": (frame(height=0), "has no size .178x0."),
    "bomb": (frame(65500, 65500), f"claims 65500x65500 pixels, more than {MAX_PIXELS}; shrink"),
    "bomb-progressive": (frame(65500, 65500, PROGRESSIVE, 0xC2), "claims 65500x65500 pixels"),
    "one-row-too-many": (frame(8192, 8193), "claims 8192x8193 pixels"),
    "frame-length": (patch(BASELINE, 0xC0, 9, b"\1"), "its frame header has the wrong length"),
    "no-frame": (without_frame(), "its header lacks the image size"),
    "two-frames": (insert(segment(0xC0, bytes(15))), "holds two frame headers"),
    "two-exif": (insert(exif(6), exif(6)), "holds two EXIF blocks; save"),
    "exif-in-doubt": (insert(exif(6).replace(b"\x01\x12\0\3", b"\x01\x12\0\4")), "EXIF block that turns the picture; save it upright"),
    "stray-bytes": (insert(b"\0\0"), "no header segment begins at byte 20"),
    "restart-in-header": (insert(b"\xff\xd0"), "no header segment begins at byte 20"),
    "end-in-header": (insert(b"\xff\xd9"), "no header segment begins at byte 20"),
    "short-length": (insert(b"\xff\xe0\0\1"), "no header segment begins at byte 20"),
    "many-segments": (insert(segment(0xFE, b"") * MAX_SEGMENTS), f"has more than {MAX_SEGMENTS} header segments"),
    "only-the-start": (b"\xff\xd8", "its header ends early"),
    "header-only": (without_scans(BASELINE), "its header ends early"),
    "cut-in-segment": (BASELINE[:100], "its header ends early"),
    "cut-in-scan-header": (without_scans(BASELINE) + b"\xff\xda\0\x0c\3", "it has no end marker, so it is cut short"),
    "zeros": (b"\xff\xd8" + bytes(1000), "no header segment begins at byte 2"),
    "no-end-marker": (BASELINE[:-2], "cannot be decoded .it has no end marker"),
    "half": (BASELINE[: len(BASELINE) // 2], "it has no end marker"),
    "end-marker-in-thumbnail-only": (insert(segment(0xE2, BASELINE))[:-2], "it has no end marker"),
    "many-scans": (PROGRESSIVE[:-2] + segment(0xDA, bytes(6)) * MAX_SCANS + b"\xff\xd9", f"has more than {MAX_SCANS} scans"),
}


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses_with_the_reason_alone(data, reason, decode):
    with pytest.raises(BadImageError, match=reason) as caught:
        check_image(data, decode=decode)
    assert "; " in str(caught.value), "says what to do"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BASELINE[: len(BASELINE) // 2] + b"\xff\xd9", "premature end of data"),
        (BASELINE[:-20] + b"\xff\xd9", "premature end of data"),
        (patch(BASELINE, 0xC4, 5, b"\xff" * 8), "its tables are damaged"),
        (PROGRESSIVE[:5000] + PROGRESSIVE[5100:], "Corrupt JPEG data"),
        (frame(178, 400), "premature end of data"),
    ],
    ids=["half-with-end", "tail-with-end", "tables", "hole", "taller-than-its-data"],
)
def test_only_decoding_sees_damage_in_the_pixels(data, reason):
    check_image(data, decode=False)
    with pytest.raises(BadImageError, match=rf"cannot be decoded \(.*{reason}.*\); replace the file or remove its row"):
        check_image(data, decode=True)


def test_the_largest_size_is_taken():
    header = read_header(frame(8192, 8192))
    assert header.width * header.height == MAX_PIXELS


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    mode=st.sampled_from(["RGB", "L"]),
    orientation=st.none() | st.integers(0, 9),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    progressive=st.booleans(),
)
def test_the_size_is_that_of_the_upright_picture(size, mode, orientation, subsampling, progressive):
    data = encode(mode=mode, size=size, orientation=orientation, subsampling=subsampling, progressive=progressive)
    header = check_image(data, decode=True)
    assert (header.width, header.height) == ImageOps.exif_transpose(Image.open(io.BytesIO(data))).size
