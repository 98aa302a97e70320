"""Images, and archives and tables that hold them."""

import contextlib
import io
import struct
import zipfile
import zlib
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from PIL import Image

from shards.errors import DropstreamError
from shards.image.check import check_image, read_header
from shards.image.exif import read_orientation
from shards.image.header import MAX_BYTES, BadImageError
from shards.image.resize import shrink
from shards.storage import parquet_images, zip_folder
from shards.storage.folder import UnreadableFileError
from shards.storage.inflate import DamagedMemberError, inflate
from shards.storage.opening import open_images
from tests.fuzz.mutate import any_bytes, near_signatures, one_of, png
from tests.fuzz.target import Target, written

_MOST_SIDE = 2048
"""Of pictures that are unpacked: a larger one takes longer than an input may, and no other way."""


def exif(order: str = "<", orientation: int = 6) -> bytes:
    """Return an EXIF block from its byte order mark on."""
    entries = [(0x0112, 3, 1, struct.pack(f"{order}HH", orientation, 0)), (0x011A, 5, 1, struct.pack(f"{order}I", 38))]
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    table = b"".join(struct.pack(f"{order}HHI4s", *entry) for entry in entries)
    return mark + struct.pack(f"{order}IH", 8, len(entries)) + table + struct.pack(f"{order}I", 0) + struct.pack(f"{order}II", 72, 1)


@cache
def jpegs() -> list[bytes]:
    """Small pictures: colour, grey, progressive, with EXIF."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    plain = simplejpeg.encode_jpeg(pixels, quality=60, colorsubsampling="420")
    grey = simplejpeg.encode_jpeg(pixels[:, :, :1].copy(), quality=60, colorspace="GRAY")
    progressive = io.BytesIO()
    Image.fromarray(pixels).save(progressive, "JPEG", progressive=True, quality=50)
    turned = [io.BytesIO() for _ in "<>"]
    for file, order in zip(turned, "<>", strict=True):
        Image.fromarray(pixels).save(file, "JPEG", exif=b"Exif\0\0" + exif(order))
    return [plain, grey, progressive.getvalue(), *(file.getvalue() for file in turned)]


@cache
def pngs() -> list[bytes]:
    """Small pictures of each kind."""
    pixels = np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8)
    colour = Image.fromarray(pixels)
    opaque = colour.convert("RGBA")
    pictures = [(colour, {"exif": exif()}), (opaque, {}), (colour.convert("L"), {}), (colour.convert("1"), {})]
    pictures += [(colour.quantize(8), {"transparency": bytes([255] * 8)})]
    made = []
    for picture, options in pictures:
        file = io.BytesIO()
        picture.save(file, "PNG", **options)
        made.append(file.getvalue())
    return [*made, _interlaced()]


def _interlaced() -> bytes:
    """A grey picture of one pixel, interlaced, which Pillow does not write."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1)), (b"IDAT", zlib.compress(b"\0\x80")), (b"IEND", b""))
    packed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _read_header(data: bytes) -> None:
    read_header(data)
    check_image(data, decode=False)


def _decode(data: bytes) -> None:
    header = read_header(data)
    if max(header.width, header.height) > _MOST_SIDE:
        raise BadImageError("is too large for a test")
    header = check_image(data, decode=True)
    shrink(data, header, side=8, quality=80)


def _read_exif(data: bytes) -> None:
    orientation = read_orientation(data)
    if orientation is not None and not 1 <= orientation <= 8:
        raise AssertionError(f"orientation {orientation}")


def _read_folder(data: bytes, file: str) -> None:
    zip_folder._directory.cache_clear()
    parquet_images._names.cache_clear()
    path = str(written(file, data))
    images = open_images(path)
    names = [info.name for info in images.list()]
    readable = []
    for name in names:
        with contextlib.suppress(UnreadableFileError):
            readable += [name for _ in images.read_many([name])]
    list(open_images(path, readable).read_many(readable))


def _zips() -> list[bytes]:
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.mkdir("img")
            archive.writestr("img/a.jpg", b"one" * 30)
            archive.writestr("img/é.jpg", b"")
        made.append(file.getvalue())
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("a.jpg", "w", force_zip64=True) as member:
            member.write(b"two")
        archive.comment = b"of a test"
    return [*made, file.getvalue()]


def _inflate(data: bytes) -> None:
    if len(data) < 5:
        return
    # A larger file is refused before it is unpacked.
    method, size = data[0], min(int.from_bytes(data[1:5], "little"), MAX_BYTES)
    content = inflate(method, memoryview(data)[5:], size)
    if len(content) != size:
        raise AssertionError(f"{len(content)} bytes of {size}")


def _packed() -> list[bytes]:
    seeds = []
    for archive in _zips():
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            for info in opened.infolist():
                start = info.header_offset + 30 + sum(struct.unpack_from("<HH", archive, info.header_offset + 26))
                packed = archive[start : start + info.compress_size]
                seeds.append(bytes([info.compress_type]) + struct.pack("<I", info.file_size) + packed)
    return seeds


def _parquets() -> list[bytes]:
    pictures = [jpegs()[1], pngs()[2], jpegs()[1], None]
    structs = pa.array([None if data is None else {"bytes": data, "path": f"{place}.jpg"} for place, data in enumerate(pictures)])
    made = []
    for column, options in (
        (structs, {}),
        (structs, {"compression": "none", "use_dictionary": False, "row_group_size": 2}),
        (pa.array(pictures), {"version": "1.0"}),
        (pa.array(pictures).dictionary_encode(), {"compression": "zstd"}),
    ):
        file = io.BytesIO()
        pq.write_table(pa.table({"image": column, "label": [0, 1, 0, 1]}), file, **options)
        made.append(file.getvalue())
    return made


TARGETS = {
    "header": Target(run=_read_header, seeds=lambda: jpegs() + pngs(), mutate=one_of(near_signatures, png), allowed=(BadImageError,)),
    "decode": Target(
        run=_decode, seeds=lambda: jpegs() + pngs(), mutate=one_of(near_signatures, png), allowed=(BadImageError,), rehearsals=200
    ),
    "exif": Target(run=_read_exif, seeds=lambda: [exif("<"), exif(">"), exif(">", 1)], mutate=near_signatures, allowed=(), max_bytes=512),
    "zip": Target(run=lambda data: _read_folder(data, "images.zip"), seeds=_zips, mutate=one_of(any_bytes, near_signatures)),
    "inflate": Target(run=_inflate, seeds=_packed, allowed=(DamagedMemberError, NotImplementedError), max_bytes=1 << 10),
    "parquet": Target(
        run=lambda data: _read_folder(data, "images.parquet"),
        seeds=_parquets,
        mutate=one_of(any_bytes, near_signatures),
        allowed=(DropstreamError,),
        rehearsals=100,
    ),
}
