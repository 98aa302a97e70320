"""Which PNGs may be packed.

Taken:

- grey, colour and palette, up to 8 bits a channel, interlaced or not, 1x1 up to `MAX_PIXELS`, no side above `MAX_SIDE`; grey becomes three
  equal channels;
- an alpha channel or a transparent colour, if every pixel is opaque: DALI, torchvision and Pillow leave it out alike. What lies under a
  transparent pixel nobody has ever seen;
- an EXIF block before the pixels, by which the picture is turned as a JPEG is;
- colour profiles, gammas and texts, which all three leave alone; bytes after the last chunk.

Refused, each with its reason: 16 bits a channel, which decoders bring down to 8 in different ways; transparent pixels; animations; an EXIF
block that turns the picture and stands behind the pixels, where DALI alone sees it; Apple's own variant; a wrong checksum, a chunk that is
cut, missing or unknown; with `decode`, pixels that are not exactly as many as the header claims.

Source: Portable Network Graphics (PNG) Specification, third edition, W3C.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shards.image.exif import read_orientation
from shards.image.header import MAX_SIDE, REPLACE, BadImageError, ImageHeader, check_size

PNG = b"\x89PNG\r\n\x1a\n"
"""How a file begins."""
MAX_CHUNKS = 1 << 14
"""Most chunks that are looked at; a file of 64 MiB in the usual pieces of 8 KiB has half as many."""

_HEADER = struct.Struct(">IIBBBBB")
_LENGTH = struct.Struct(">I")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each colour type."""
_DEPTHS = {0: (1, 2, 4, 8), 2: (8,), 3: (1, 2, 4, 8), 4: (8,), 6: (8,)}
"""Bits a channel that are taken."""
_PALETTE = 3
_WITH_ALPHA = (4, 6)
_LAST_FILTER = 4
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_KEPT = (*_CRITICAL, b"tRNS", b"eXIf")
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced picture: first column and row, and the steps to the next ones (Adam7)."""
_BLOCK = 1 << 20
"""Bytes of pixels that are held at a time."""

_CONVERT = "save it with 8 bits a channel (ImageMagick: mogrify -depth 8 FILE)"
_FLATTEN = "flatten it (ImageMagick: mogrify -background white -flatten FILE)"


@dataclass(frozen=True, kw_only=True, slots=True)
class PngHeader(ImageHeader):
    """What a PNG says of itself."""

    may_be_transparent: bool
    """It has an alpha channel or a transparent colour; whether any pixel is transparent, they tell themselves."""


class _Chunk(NamedTuple):
    kind: bytes
    begin: int
    """Offset of its data in bytes."""
    end: int
    """Where the data end, and the checksum begins."""


class _Layout(NamedTuple):
    """How the pixels are stored, as the header has it."""

    width: int
    height: int
    bits: int
    """Of a pixel."""
    colour_type: int
    interlaced: bool


def check_png(data: bytes, *, decode: bool) -> PngHeader:
    """Check that an image may be packed, and return its header.

    Args:
        data: The file's bytes.
        decode: Unpack the pixels too: as many as there should be, no more held than a megabyte unless some may be transparent.

    Raises:
        BadImageError: The policy above refuses it.
    """
    chunks = _read_chunks(data)
    header = _read(data, chunks)
    for kind, begin, end in chunks:
        if zlib.crc32(memoryview(data)[begin - 4 : end]) != _LENGTH.unpack_from(data, end)[0]:
            raise _damaged(f"the checksum of its chunk {_shown(kind)} is wrong")
    if header.may_be_transparent and not decode:
        raise BadImageError(f"has an alpha channel, and --check header cannot tell whether all its pixels are opaque; {_FLATTEN}")
    if decode:
        _check_pixels(_layout(data, chunks), [memoryview(data)[chunk.begin : chunk.end] for chunk in chunks if chunk.kind == b"IDAT"])
        if header.may_be_transparent and not _is_opaque(data):
            raise BadImageError(f"has transparent pixels, and nobody knows what lies under them; {_FLATTEN}")
    return header


def read_png(data: bytes) -> PngHeader:
    """Read the header and find the chunks. No pixel is unpacked, and nothing is allocated for the size that the header claims.

    Args:
        data: The file's bytes, which begin as a PNG's.

    Raises:
        BadImageError: The policy above refuses it.
    """
    return _read(data, _read_chunks(data))


def without_extras(data: bytes) -> bytes:
    """Return a sound PNG without profiles, texts and whatever else does not change its pixels: Pillow refuses large ones, DALI does not."""
    chunks = [chunk for chunk in _read_chunks(data) if chunk.kind in _KEPT]
    return PNG + b"".join(data[chunk.begin - 8 : chunk.end + 4] for chunk in chunks)


def _read_chunks(data: bytes) -> Sequence[_Chunk]:
    chunks: list[_Chunk] = []
    at = len(PNG)
    while not chunks or chunks[-1].kind != b"IEND":
        if len(chunks) == MAX_CHUNKS:
            raise BadImageError(f"has more than {MAX_CHUNKS} chunks; save it anew as an ordinary PNG")
        if at + 12 > len(data) or at + 12 + (length := _LENGTH.unpack_from(data, at)[0]) > len(data):
            raise _damaged("it ends early, so it is cut short")
        chunks.append(_Chunk(data[at + 4 : at + 8], at + 8, at + 8 + length))
        at += 12 + length
    return chunks


def _read(data: bytes, chunks: Sequence[_Chunk]) -> PngHeader:
    kinds = [chunk.kind for chunk in chunks]
    if kinds[0] == b"CgBI":
        raise BadImageError("is a PNG in Apple's own variant, which few decoders read; save it anew as an ordinary PNG")
    layout = _layout(data, chunks)
    unknown = next((kind for kind in kinds if not kind[0] & 0x20 and kind not in _CRITICAL), None)
    if unknown is not None:
        raise _damaged(f"its chunk {_shown(unknown)} is not of the PNG standard")
    if b"acTL" in kinds:
        raise BadImageError("is an animated PNG; save the picture that is meant")
    num_pieces = kinds.count(b"IDAT")
    pixels_at = kinds.index(b"IDAT") if num_pieces else len(kinds)
    if not num_pieces or kinds[pixels_at : pixels_at + num_pieces] != [b"IDAT"] * num_pieces:
        raise _damaged("its pixels are missing or not in one piece")
    if kinds.count(b"IHDR") != 1 or kinds.count(b"PLTE") > 1 or b"PLTE" in kinds[pixels_at:]:
        raise _damaged("its chunks are out of order")
    sizes = {chunk.kind: chunk.end - chunk.begin for chunk in chunks}
    colours, odd = divmod(sizes.get(b"PLTE", 0), 3)
    if layout.colour_type == _PALETTE and (odd or not 1 <= colours <= 1 << layout.bits):
        raise _damaged("its palette is missing or has the wrong size")
    if b"tRNS" in kinds and sizes[b"tRNS"] not in _transparency_sizes(layout.colour_type, colours):
        raise _damaged("its transparent colour has the wrong size")
    orientation = _orientation(data, chunks, pixels_at)
    width, height = (layout.height, layout.width) if orientation > 4 else (layout.width, layout.height)
    may_be_transparent = layout.colour_type in _WITH_ALPHA or b"tRNS" in kinds
    return PngHeader(suffix="png", width=width, height=height, orientation=orientation, may_be_transparent=may_be_transparent)


def _layout(data: bytes, chunks: Sequence[_Chunk]) -> _Layout:
    first = chunks[0]
    if first.kind != b"IHDR" or first.end - first.begin != _HEADER.size:
        raise _damaged("it does not begin with a header")
    width, height, depth, colour_type, compression, filtering, interlacing = _HEADER.unpack_from(data, first.begin)
    if depth == 16:
        raise BadImageError(f"has 16 bits a channel, and up to 8 are supported; {_CONVERT}")
    if depth not in _DEPTHS.get(colour_type, ()) or compression or filtering or interlacing > 1:
        raise _damaged("its header holds what no PNG has")
    check_size(width, height)
    if max(width, height) > MAX_SIDE:
        raise BadImageError(f"claims {width}x{height} pixels, a side of more than {MAX_SIDE}; cut or shrink it before packing")
    return _Layout(width, height, depth * _CHANNELS[colour_type], colour_type, interlacing == 1)


def _transparency_sizes(colour_type: int, colours: int) -> range:
    """Return the bytes that a transparent colour may have, or the transparencies of a palette."""
    return {0: range(2, 3), 2: range(6, 7), _PALETTE: range(1, colours + 1)}.get(colour_type, range(0))


def _orientation(data: bytes, chunks: Sequence[_Chunk], pixels_at: int) -> int:
    blocks = [place for place, chunk in enumerate(chunks) if chunk.kind == b"eXIf"]
    found = [read_orientation(data[chunks[place].begin : chunks[place].end]) for place in blocks]
    if all(orientation == 1 for orientation in found):
        return 1
    if len(found) > 1 or found[0] is None or blocks[0] > pixels_at:
        raise BadImageError("has an EXIF block that turns the picture and is not read by all; save it upright and without EXIF")
    return found[0]


def _check_pixels(layout: _Layout, pieces: Sequence[memoryview]) -> None:
    """Unpack the pixels and drop them: the bytes must be as many as the header says, in rows that begin with a filter's number."""
    stream = _Inflated(pieces)
    for row_bytes, num_rows in _rows(layout):
        stride, left = row_bytes + 1, num_rows
        while left:
            num = min(left, max(1, _BLOCK // stride))
            block = stream.read(num * stride)
            if len(block) < num * stride:
                raise _damaged("it has fewer pixels than its header says")
            if np.frombuffer(block, np.uint8)[::stride].max() > _LAST_FILTER:
                raise _damaged("a row of its pixels is filtered as no PNG is")
            left -= num
    if not stream.is_at_end():
        raise _damaged("it has more pixels than its header says")


def _rows(layout: _Layout) -> Iterator[tuple[int, int]]:
    """Yield the bytes of a row, without its filter's number, and the number of rows; of each pass of an interlaced picture."""
    for column, row, across, down in _PASSES if layout.interlaced else ((0, 0, 1, 1),):
        width, height = -(-(layout.width - column) // across), -(-(layout.height - row) // down)
        if width > 0 and height > 0:
            yield -(-width * layout.bits // 8), height


class _Inflated:
    """The pixels' bytes, unpacked as they are asked for: a bomb gives no more than that."""

    def __init__(self, pieces: Sequence[memoryview]) -> None:
        self._pieces = iter(pieces)
        self._inflate = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or next(self._pieces, None)
            if packed is None:
                break
            try:
                part = self._inflate.decompress(packed, size)
            except zlib.error as error:
                raise _damaged("its pixels cannot be unpacked") from error
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def is_at_end(self) -> bool:
        """Return whether nothing follows, and the pixels' own checksum was right."""
        return not self.read(1) and self._inflate.eof and not self._inflate.unused_data


def _is_opaque(data: bytes) -> bool:
    # Imported here: few images need it.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(without_extras(data)), formats=["PNG"]) as image:
            return image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    except (OSError, ValueError, SyntaxError) as error:
        raise _damaged(" ".join(str(error).split())) from error


def _damaged(reason: str) -> BadImageError:
    return BadImageError(f"cannot be decoded ({reason}); {REPLACE}")


def _shown(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))
