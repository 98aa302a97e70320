"""The orientation tag, and what becomes of blocks that readers understand differently."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from shards.image.exif import read_orientation

ORIENTATION, SHORT, LONG, RATIONAL, ASCII = 0x0112, 3, 4, 5, 2
X_RESOLUTION, MAKE = 0x011A, 0x010F


def entry(order: str, tag: int, kind: int, count: int, value: int) -> bytes:
    packed = struct.pack(f"{order}HH", value, 0) if kind == SHORT else struct.pack(f"{order}I", value)
    return struct.pack(f"{order}HHI", tag, kind, count) + packed


def block(*entries: tuple[int, int, int, int], order: str = "<", num_entries: int | None = None, tail: bytes = bytes(4)) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(f"{order}HIH", 42, 8, len(entries) if num_entries is None else num_entries)
    return header + b"".join(entry(order, *fields) for fields in entries) + tail


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_reads_the_tag_in_either_byte_order(order, orientation):
    assert read_orientation(block((0x0100, SHORT, 1, 5), (ORIENTATION, SHORT, 1, orientation), order=order)) == orientation


@pytest.mark.parametrize("endian", ["<", ">"])
def test_reads_what_pillow_writes(endian):
    exif = Image.Exif()
    exif.endian = endian
    exif[MAKE], exif[X_RESOLUTION], exif[ORIENTATION] = "Maker Inc.", 72.0, 6
    assert read_orientation(exif.tobytes()[6:]) == 6


@pytest.mark.parametrize(
    "tiff",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\0\0",
        block(),
        block((0x0100, SHORT, 1, 5)),
        block((ORIENTATION, SHORT, 1, 0)),
        block((ORIENTATION, SHORT, 1, 9)),
        block((ORIENTATION, SHORT, 1, 0x0600 + 6)),
        block((ORIENTATION, LONG, 1, 1)),
        block((ORIENTATION, SHORT, 1, 1), (MAKE, ASCII, 999, 999)),
        block((0x0100, SHORT, 1, 5), tail=struct.pack("<I", 26) + struct.pack("<H", 1) + entry("<", ORIENTATION, SHORT, 1, 6)),
        b"XX\0\1" + block((0x0100, SHORT, 1, 5))[4:],
    ],
    ids=[
        "empty",
        "cut-mark",
        "cut-offset",
        "no-entry",
        "no-tag",
        "0",
        "9",
        "1542",
        "upright-long",
        "upright-and-damaged",
        "thumbnail",
        "mark",
    ],
)
def test_upright_where_no_reader_turns_the_picture(tiff):
    assert read_orientation(tiff) == 1


@pytest.mark.parametrize(
    "tiff",
    [
        block((ORIENTATION, LONG, 1, 6)),
        block((ORIENTATION, LONG, 1, 6), order=">"),
        block((ORIENTATION, SHORT, 2, 6)),
        block((ORIENTATION, SHORT, 0, 6)),
        block((ORIENTATION, SHORT, 1, 6), (ORIENTATION, SHORT, 1, 3)),
        block((ORIENTATION, SHORT, 1, 6), num_entries=60000),
        block((ORIENTATION, SHORT, 1, 6), tail=b"")[:-3],
        block((ORIENTATION, SHORT, 1, 6), (MAKE, ASCII, 999, 8)),
        block((ORIENTATION, SHORT, 1, 6), (MAKE, 77, 1, 8)),
        block((ORIENTATION, SHORT, 1, 6), (X_RESOLUTION, SHORT, 1, 8)),
        block((ORIENTATION, SHORT, 1, 6), (X_RESOLUTION, RATIONAL, 0, 8)),
        b"XX" + block((ORIENTATION, SHORT, 1, 6), order=">")[2:],
        b"MM\0+" + block((ORIENTATION, SHORT, 1, 6), order=">")[4:],
    ],
    ids=["long", "long-big", "two", "none", "twice", "more-claimed", "cut", "outside", "type", "resolution", "no-value", "mark", "magic"],
)
def test_nothing_is_certain_where_a_damaged_block_turns_the_picture(tiff):
    assert read_orientation(tiff) is None


SOUND = block((0x0100, SHORT, 1, 5), (ORIENTATION, SHORT, 1, 6))


@given(st.binary(max_size=80) | st.tuples(st.integers(0, len(SOUND)), st.binary(max_size=20)).map(lambda at: SOUND[: at[0]] + at[1]))
@example(b"II*\0\x08\0\0\0\xff\xff")
def test_never_raises(tiff):
    assert read_orientation(tiff) in {None, *range(1, 9)}
