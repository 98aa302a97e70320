"""Which PNGs are taken, and that DALI, torchvision and Pillow see the same in those that are."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvidia.dali import fn, pipeline_def, types
from PIL import Image, ImageOps
from torchvision.io import ImageReadMode, decode_png

from shards.image.check import check_image, read_header
from shards.image.header import MAX_PIXELS, MAX_SIDE, BadImageError
from shards.image.png import MAX_CHUNKS, without_extras
from shards.image.resize import shrink

RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 30, 20
PICTURE = Image.fromarray(RNG.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PALETTE = RNG.bytes(48)
GREY, RGB, INDEXED, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int = WIDTH, height: int = HEIGHT, depth: int = 8, colour_type: int = RGB, rest: bytes = bytes(3)) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour_type) + rest)


def rows(depth: int, channels: int, height: int = HEIGHT, filtering: int = 0) -> bytes:
    return b"".join(bytes([filtering]) + RNG.bytes(-(-WIDTH * depth * channels // 8)) for _ in range(height))


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + chunk(b"IEND")


def raw(depth: int, colour_type: int, *before: bytes, behind: bytes = b"", pixels: bytes | None = None) -> bytes:
    """A PNG of random pixels, with chunks of one's own before and behind them."""
    channels = {GREY: 1, RGB: 3, INDEXED: 1, GREY_ALPHA: 2, RGBA: 4}[colour_type]
    packed = zlib.compress(rows(depth, channels) if pixels is None else pixels)
    return png(header(depth=depth, colour_type=colour_type), *before, chunk(b"IDAT", packed), behind)


def save(image: Image.Image = PICTURE, orientation: int | None = None, **options) -> bytes:
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def interlaced() -> bytes:
    parts = [np.asarray(PICTURE)[row::down, column::across] for column, row, across, down in PASSES]
    pixels = b"".join(b"\0" + line.tobytes() for part in parts for line in part)
    return png(header(rest=b"\0\0\1"), chunk(b"IDAT", zlib.compress(pixels)))


def with_alpha(alpha: np.ndarray, mode: str = "RGBA") -> bytes:
    pixels = np.dstack([np.asarray(PICTURE.convert(mode[:-1])), alpha.astype(np.uint8)])
    return save(Image.fromarray(pixels, mode))


def exif_block(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes().removeprefix(b"Exif\0\0")


OPAQUE = np.full((HEIGHT, WIDTH), 255)
PIECES = zlib.compress(np.insert(np.asarray(PICTURE).reshape(HEIGHT, -1), 0, 0, axis=1).tobytes())
TAKEN = {
    "colour": save(),
    "grey": save(PICTURE.convert("L")),
    "black-and-white": save(PICTURE.convert("1")),
    "palette": save(PICTURE.quantize(256)),
    "grey-2-bits": raw(2, GREY),
    "grey-4-bits": raw(4, GREY),
    "palette-1-bit": raw(1, INDEXED, chunk(b"PLTE", PALETTE[:6])),
    "palette-4-bits": raw(4, INDEXED, chunk(b"PLTE", PALETTE)),
    "palette-shorter-than-its-indices": raw(4, INDEXED, chunk(b"PLTE", PALETTE[:9])),
    "palette-opaque": raw(4, INDEXED, chunk(b"PLTE", PALETTE), chunk(b"tRNS", b"\xff\xff")),
    "transparent-colour-that-does-not-occur": raw(8, RGB, chunk(b"tRNS", b"\1\0" * 3)),
    "rgba-opaque": with_alpha(OPAQUE),
    "grey-alpha-opaque": with_alpha(OPAQUE, "LA"),
    "interlaced": interlaced(),
    "one-pixel": save(PICTURE.resize((1, 1))),
    "wide": save(PICTURE.resize((3000, 2))),
    "gamma": raw(8, RGB, chunk(b"gAMA", struct.pack(">I", 100_000))),
    "sRGB": raw(8, RGB, chunk(b"sRGB", b"\0")),
    "primaries": raw(8, RGB, chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))),
    "HDR-code-points": raw(8, RGB, chunk(b"cICP", b"\x09\x10\0\1")),
    "significant-bits": raw(8, RGB, chunk(b"sBIT", b"\5\6\5")),
    "background": raw(8, RGB, chunk(b"bKGD", bytes(6))),
    "texts": raw(8, RGB, chunk(b"tEXt", b"Comment\0hello"), behind=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 9000))),
    "pieces": png(header(), *(chunk(b"IDAT", PIECES[start : start + 7]) for start in range(0, len(PIECES), 7)), chunk(b"tIME", bytes(7))),
    "an-empty-piece": png(header(), chunk(b"IDAT", PIECES[:9]), chunk(b"IDAT"), chunk(b"IDAT", PIECES[9:])),
    "trailing-bytes": save() + b"behind the end" * 9,
    "orientation-behind-upright": raw(8, RGB, behind=chunk(b"eXIf", exif_block(1))),
} | {f"orientation-{number}": save(orientation=number) for number in range(1, 9)}


def by_dali(data: bytes) -> np.ndarray:
    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def decode():
        encoded = fn.external_source(source=lambda _: [np.frombuffer(data, np.uint8)], batch=True)
        return fn.decoders.image(encoded, output_type=types.DALIImageType.RGB, adjust_orientation=True)

    (images,) = decode().run()
    return np.asarray(images[0])


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN)
def test_all_decoders_see_the_same_upright_picture(data):
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    found = check_image(data, decode=True)
    assert (found.suffix, found.width, found.height) == ("png", wanted.shape[1], wanted.shape[0])
    assert read_header(data) == found
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    assert np.array_equal(decode_png(encoded, ImageReadMode.RGB, apply_exif_orientation=True).permute(1, 2, 0).numpy(), wanted)
    assert np.array_equal(by_dali(data), wanted)


REFUSED = {
    "16-bit-grey": (raw(16, GREY), "has 16 bits a channel, .*; save it with 8 bits"),
    "16-bit-colour": (raw(16, RGB), "has 16 bits a channel"),
    "Apple": (png(chunk(b"CgBI", bytes(4)), header(), chunk(b"IDAT", PIECES)), "in Apple's own variant"),
    "animated": (raw(8, RGB, chunk(b"acTL", bytes(8))), "is an animated PNG; save the picture"),
    "turned-behind-the-pixels": (
        raw(8, RGB, behind=chunk(b"eXIf", exif_block(6))),
        "EXIF block that turns the picture .*; save",
    ),
    "turned-twice": (raw(8, RGB, *[chunk(b"eXIf", exif_block(6))] * 2), "EXIF block that turns the picture"),
    "turned-in-doubt": (raw(8, RGB, chunk(b"eXIf", exif_block(6).replace(b"\x01\x12\0\3", b"\x01\x12\0\4"))), "EXIF block that turns"),
    "bomb": (png(header(20000, 20000, 1, GREY), chunk(b"IDAT", PIECES)), f"claims 20000x20000 pixels, more than {MAX_PIXELS}"),
    "too-wide": (png(header(MAX_SIDE + 1, 1), chunk(b"IDAT", PIECES)), f"a side of more than {MAX_SIDE}"),
    "no-width": (png(header(0, 1), chunk(b"IDAT", PIECES)), "has no size .0x1."),
    "depth": (png(header(depth=3), chunk(b"IDAT", PIECES)), "its header holds what no PNG has"),
    "depth-of-colour": (png(header(depth=4), chunk(b"IDAT", PIECES)), "its header holds what no PNG has"),
    "colour-type": (png(header(colour_type=5), chunk(b"IDAT", PIECES)), "its header holds what no PNG has"),
    "interlacing": (png(header(rest=b"\0\0\2"), chunk(b"IDAT", PIECES)), "its header holds what no PNG has"),
    "compression": (png(header(rest=b"\1\0\0"), chunk(b"IDAT", PIECES)), "its header holds what no PNG has"),
    "no-header": (png(chunk(b"IDAT", PIECES)), "does not begin with a header"),
    "short-header": (png(chunk(b"IHDR", bytes(12)), chunk(b"IDAT", PIECES)), "does not begin with a header"),
    "two-headers": (png(header(), header(), chunk(b"IDAT", PIECES)), "out of order"),
    "no-pixels": (png(header()), "its pixels are missing"),
    "pixels-apart": (png(header(), chunk(b"IDAT", PIECES[:9]), chunk(b"tIME", bytes(7)), chunk(b"IDAT", PIECES[9:])), "not in one piece"),
    "no-palette": (raw(8, INDEXED), "its palette is missing"),
    "palette-behind": (raw(8, INDEXED, behind=chunk(b"PLTE", PALETTE)), "out of order"),
    "palette-too-long": (raw(2, INDEXED, chunk(b"PLTE", PALETTE)), "its palette is missing or has the wrong size"),
    "palette-odd": (raw(4, INDEXED, chunk(b"PLTE", PALETTE[:10])), "its palette is missing or has the wrong size"),
    "transparent-colour-cut": (raw(8, GREY, chunk(b"tRNS", b"\0")), "its transparent colour has the wrong size"),
    "transparent-colour-beside-alpha": (raw(8, RGBA, chunk(b"tRNS", bytes(6))), "its transparent colour has the wrong size"),
    "unknown-critical-chunk": (raw(8, RGB, chunk(b"EvIl", b"x")), "its chunk 'EvIl' is not of the PNG standard"),
    "many-chunks": (SIGNATURE + header() + chunk(b"tIME") * MAX_CHUNKS, f"has more than {MAX_CHUNKS} chunks"),
    "signature-only": (SIGNATURE, "it ends early"),
    "cut": (save()[:-40], "it ends early"),
    "no-end": (save()[:-12], "it ends early"),
    "endless-chunk": (SIGNATURE + header() + b"\xff\xff\xff\xffIDAT" + bytes(40), "it ends early"),
}


@pytest.mark.parametrize("check", [lambda data: check_image(data, decode=True), lambda data: check_image(data, decode=False), read_header])
@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused_from_the_header(data, reason, check):
    with pytest.raises(BadImageError, match=reason) as caught:
        check(data)
    assert "; " in str(caught.value), "says what to do"
    assert str(caught.value).isprintable()


def test_a_wrong_checksum_needs_no_decoding():
    data = bytearray(save())
    data[-14] ^= 1
    for decode in (False, True):
        with pytest.raises(BadImageError, match="the checksum of its chunk 'IDAT' is wrong"):
            check_image(bytes(data), decode=decode)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (rows(8, 3, HEIGHT - 1), "it has fewer pixels than its header says"),
        (rows(8, 3)[:-1], "it has fewer pixels than its header says"),
        (rows(8, 3) + b"\0", "it has more pixels than its header says"),
        (rows(8, 3, HEIGHT + 1), "it has more pixels than its header says"),
        (rows(8, 3, filtering=5), "a row of its pixels is filtered as no PNG is"),
    ],
)
def test_pixels_must_be_what_the_header_says(pixels, reason):
    data = raw(8, RGB, pixels=pixels)
    check_image(data, decode=False)
    with pytest.raises(BadImageError, match=reason):
        check_image(data, decode=True)


@pytest.mark.parametrize("packed", [PIECES[:-4], PIECES[:50] + PIECES[60:], b"", PIECES[:-1] + b"x", PIECES + b"x"], ids=range(5))
def test_the_stream_of_pixels_must_be_whole(packed):
    with pytest.raises(BadImageError, match=r"its pixels cannot be unpacked|pixels than its header says"):
        check_image(png(header(), chunk(b"IDAT", packed)), decode=True)


@pytest.mark.parametrize(
    "data",
    [
        with_alpha(RNG.integers(0, 255, (HEIGHT, WIDTH))),
        with_alpha(np.where(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) == 77, 254, 255)),
        with_alpha(OPAQUE - 1, "LA"),
        raw(4, INDEXED, chunk(b"PLTE", PALETTE), chunk(b"tRNS", b"\xff\x80")),
        raw(1, GREY, chunk(b"tRNS", b"\0\1")),
    ],
    ids=["rgba", "one-pixel", "grey-alpha", "palette", "colour"],
)
def test_a_transparent_pixel_is_seen_by_decoding_and_never_passes_without(data):
    with pytest.raises(BadImageError, match=r"has transparent pixels, .*; flatten it"):
        check_image(data, decode=True)
    with pytest.raises(BadImageError, match=r"has an alpha channel, and --check header cannot tell .*; flatten it"):
        check_image(data, decode=False)
    # A shard's image has passed the check already.
    assert read_header(data).suffix == "png"


BOMB = zlib.compress(bytes(64 * 2**20), 9)


@pytest.mark.parametrize(
    "extra",
    [chunk(b"zTXt", b"a\0\0" + BOMB), chunk(b"iCCP", b"a\0\0" + BOMB), chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)],
    ids=["text", "profile", "international-text"],
)
def test_bombs_beside_the_pixels_are_never_inflated(extra):
    data = raw(8, RGBA, extra, pixels=np.insert(np.full((HEIGHT, 4 * WIDTH), 255), 0, 0, axis=1).astype(np.uint8).tobytes())
    tracemalloc.start()
    try:
        header = check_image(data, decode=True)
        small, _ = shrink(data, header, side=10, quality=90)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert np.asarray(Image.open(io.BytesIO(small))).min() > 250
    assert np.array_equal(by_dali(data), np.asarray(Image.open(io.BytesIO(without_extras(data))).convert("RGB")))


def test_a_bomb_of_pixels_is_left_when_there_are_enough():
    data = raw(8, RGB, pixels=bytes(64 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(BadImageError, match="it has more pixels than its header says"):
            check_image(data, decode=True)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_every_flipped_bit_is_found():
    data = save(PICTURE.resize((9, 7)))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadImageError):
            check_image(bytes(damaged), decode=False)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(TAKEN.values())), st.integers(0, 2**20), st.binary(max_size=9), st.integers(0, 9))
def test_damage_with_right_checksums_raises_nothing_else(source, at, put, taken):
    at = len(SIGNATURE) + at % (len(source) - len(SIGNATURE))
    data, chunks, at_chunk = source[:at] + put + source[at + taken :], [], len(SIGNATURE)
    while at_chunk + 12 <= len(data):
        length = min(int.from_bytes(data[at_chunk : at_chunk + 4], "big"), len(data) - at_chunk - 12)
        chunks.append(chunk(data[at_chunk + 4 : at_chunk + 8], data[at_chunk + 8 : at_chunk + 8 + length]))
        at_chunk += 12 + length
    for decode in (False, True):
        with contextlib.suppress(BadImageError):
            check_image(SIGNATURE + b"".join(chunks), decode=decode)
