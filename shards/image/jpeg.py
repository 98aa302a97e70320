"""Which JPEGs may be packed.

Taken:

- 8-bit, Huffman-coded JPEGs: baseline, extended sequential or progressive, 1x1 up to `MAX_PIXELS`;
- grey, which becomes three equal channels, or YCbCr with its colours stored whole, halved or quartered as usual;
- any EXIF orientation: the upright picture is trained on, and width and height are the upright ones. An orientation of 0 or above 8, and
  a damaged EXIF block that turns nothing, mean upright;
- bytes after the end marker, as cameras append them: further pictures of an MPO file, for example;
- what all decoders pass over: a scan header with zeros for its frequencies, as Samsung's front cameras write it, an unknown revision of
  JFIF, and zeros or fill bytes between the picture and the end marker.

Refused, each with its reason: CMYK, two-channel and RGB-coded JPEGs; 12-bit, lossless, arithmetic and hierarchical coding; more pixels or
scans than the limits, told from the header alone; EXIF that readers understand differently; a header or file that ends early; with
`decode`, anything else that libjpeg-turbo complains about.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import simplejpeg

from shards.image.exif import read_orientation
from shards.image.header import REPLACE, BadImageError, ImageHeader, check_size

JPEG = b"\xff\xd8"
"""How a file begins."""
MAX_SEGMENTS = 2000
"""Most header segments that are looked at; real files have tens, one with a large colour profile some hundreds."""
MAX_SCANS = 256
"""Most passes over the image; after as many DALI's decoder gives up and logs an error."""

_SOS, _EOI, _APP0, _FILL_BYTES, _EXIF, _ADOBE, _PROGRESSIVE = 0xFFDA, 0xFFD9, 0xFFE0, 0xFFFF, 0xFFE1, 0xFFEE, 0xC2
_FRAMES = (0xFFC0, 0xFFC1, 0xFFC2)
_FRAME_KEY = _FRAMES[0]
_REFUSED = {0xFFC3: "lossless", 0xFFC9: "arithmetic", 0xFFCA: "arithmetic", 0xFFCB: "arithmetic", 0xFFF7: "JPEG-LS"} | dict.fromkeys(
    (0xFFC5, 0xFFC6, 0xFFC7, 0xFFCD, 0xFFCE, 0xFFCF, 0xFFDE, 0xFFDF), "hierarchical"
)
_SUBSAMPLINGS = {(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4)}
"""How many times wider and higher the brightness may be stored than the colours: what libjpeg-turbo, and so the strict check, knows."""
_RARE = {(0x41, 0x21), (0x14, 0x12)}
"""Ways to write (2, 1) and (1, 2) that it does not know."""
_SEGMENT = struct.Struct(">HH")
_FRAME = struct.Struct(">BHBHHB")
_FILL = re.compile(b"\xff+")
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""Whatever ends the compressed bytes of a scan; in them stand no others than 0xFF00 and restart markers."""
_SEQUENTIAL = 0x003F00
"""The last three bytes of a scan's header where the picture comes in one pass: all frequencies, all bits."""
_BEHIND_THE_PICTURE = re.compile(r".*?(\d+) extraneous bytes before marker 0xd9")

_RESAVE = "save it anew as an ordinary JPEG"


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegHeader(ImageHeader):
    """What a JPEG says of itself."""

    components: int
    """1 for grey, 3 for colour."""
    progressive: bool
    """Whether the picture comes in passes over the whole."""
    scan_start: int
    """Offset in bytes of the first scan's header."""


def check_jpeg(data: bytes, *, decode: bool) -> JpegHeader:
    """Check that an image may be packed, and return its header.

    Args:
        data: The file's bytes.
        decode: Decode it strictly too; without, damage inside the compressed pixels goes unseen.

    Raises:
        BadImageError: The policy above refuses it.
    """
    header = read_jpeg(data)
    # Inside a scan 0xFF is followed by 0 or a restart marker only: what is found is a marker, or belongs to what follows the image.
    if data.rfind(b"\xff\xd9", header.scan_start) < 0:
        raise BadImageError(f"cannot be decoded (it has no end marker, so it is cut short); {REPLACE}")
    # A scan that holds all planes whole is the only one; libjpeg-turbo refuses another.
    single = not header.progressive and data[header.scan_start + 4 : header.scan_start + 5] == bytes([header.components])
    if not single and data.count(b"\xff\xda", header.scan_start) > MAX_SCANS:
        raise BadImageError(f"has more than {MAX_SCANS} scans; {_RESAVE}")
    if decode:
        complaint = _complaint(data)
        if complaint and (plain := _without_oddities(data, header)) != data:
            complaint = _complaint(plain)
        if complaint and (behind := _BEHIND_THE_PICTURE.match(complaint)):
            raise BadImageError(
                f"has {behind[1]} bytes between picture and end marker: harmless, or a damaged picture; look at it, --check header takes it"
            )
        if complaint:
            raise BadImageError(f"cannot be decoded ({complaint}); {REPLACE}")
    return header


def _complaint(data: bytes) -> str:
    """Return what libjpeg-turbo has to say, nothing if the picture is whole."""
    try:
        # Grey and an eighth of the size: every byte is still entropy-decoded, which is where damage shows.
        simplejpeg.decode_jpeg(data, "GRAY", min_factor=8, min_height=1, min_width=1)
    except ValueError as error:
        # The subsampling has been found usual: libjpeg-turbo complains of it where the tables in the header are damaged.
        return "its tables are damaged" if "subsampling" in str(error) else " ".join(str(error).split())
    return ""


def _without_oddities(data: bytes, header: JpegHeader) -> bytes:
    """Return the image without what libjpeg-turbo warns of though every decoder passes over it.

    Only what no single flipped bit can have made of a usual file: of a damaged one nothing is known.
    """
    plain = bytearray(data)
    for marker, at in _header_segments(data):
        major, minor = data[at + 9 : at + 10], data[at + 10 : at + 11]
        if marker == _APP0 and data.startswith(b"JFIF\0", at + 4) and major and not (_is_one_bit(major[0] ^ 1) and minor <= b"\2"):
            plain[at + 9] = 1
    end = len(data)
    for marker, at in _scan_markers(data, header.scan_start):
        if marker == _SOS and not header.progressive:
            parameters = at + 1 + int.from_bytes(data[at + 2 : at + 4], "big") - 2
            given = int.from_bytes(data[parameters : parameters + 3], "big")
            if given != _SEQUENTIAL and not _is_one_bit(given ^ _SEQUENTIAL):
                plain[parameters : parameters + 3] = _SEQUENTIAL.to_bytes(3, "big")
        elif marker == _EOI:
            end = at
    picture = plain[:end].rstrip(b"\0")
    if picture.endswith(b"\xff") and len(picture) < end:
        # A byte of 0xFF has a zero behind it.
        picture += b"\0"
    return bytes(picture + plain[end:])


def _header_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of the segments before the first scan, of a header that was found sound."""
    at = 2
    while True:
        if fill := _FILL.match(data, at):
            at = fill.end() - 1
        marker, length = _SEGMENT.unpack_from(data, at)
        if marker == _SOS:
            return
        yield marker, at
        at += 2 + length


def _scan_markers(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of what stands from the first scan's header on, up to the end marker."""
    while at + 4 <= len(data):
        marker, length = _SEGMENT.unpack_from(data, at)
        yield marker, at
        found = _MARKER.search(data, at + 2 + length)
        if not found:
            return
        at = found.end() - 2
        if data[at + 1] == _EOI & 0xFF:
            yield _EOI, found.start()
            return


def _is_one_bit(number: int) -> bool:
    return number.bit_count() == 1


def read_jpeg(data: bytes) -> JpegHeader:
    """Read the segments before the first scan. Nothing is decoded, or allocated for the size that the header claims.

    Args:
        data: The file's bytes, which begin as a JPEG's.

    Raises:
        BadImageError: The policy above refuses it.
    """
    try:
        found, scan_start = _read_segments(data)
    except struct.error as error:
        raise BadImageError(f"cannot be decoded (its header ends early); {REPLACE}") from error
    if _FRAME_KEY not in found:
        raise BadImageError(f"cannot be decoded (its header lacks the image size); {REPLACE}")
    coding, width, height, components = _read_frame(found[_FRAME_KEY])
    if components == 3 and found.get(_ADOBE, b"")[11:12] not in (b"", b"\1"):
        # Which decoders heed Adobe's "these are not Y, Cb and Cr", and when, differs.
        raise BadImageError(f"is an RGB-coded JPEG, and YCbCr is supported; {_RESAVE}")
    orientation = read_orientation(found[_EXIF][6:]) if _EXIF in found else 1
    if orientation is None:
        raise BadImageError("has a damaged EXIF block that turns the picture; save it upright and without EXIF")
    if orientation > 4:
        width, height = height, width
    return JpegHeader(
        suffix="jpg",
        width=width,
        height=height,
        orientation=orientation,
        components=components,
        progressive=coding == _PROGRESSIVE,
        scan_start=scan_start,
    )


def _read_segments(data: bytes) -> tuple[dict[int, bytes], int]:
    """Return the segments that matter, any frame header under `_FRAME_KEY`, and where the first scan begins.

    Raises:
        struct.error: The data end.
    """
    found: dict[int, bytes] = {}
    at = 2
    for _ in range(MAX_SEGMENTS):
        marker, length = _SEGMENT.unpack_from(data, at)
        if marker == _FILL_BYTES and (fill := _FILL.match(data, at)):
            at = fill.end() - 1
            marker, length = _SEGMENT.unpack_from(data, at)
        end = at + 2 + length
        if marker == _SOS:
            return found, at
        if marker in _FRAMES:
            _keep(found, _FRAME_KEY, data[at + 1 : end], "frame headers")
        elif marker == _EXIF and data.startswith(b"Exif\0\0", at + 4, end):
            # DALI sizes its output by one of several and turns the picture by another.
            _keep(found, _EXIF, data[at + 4 : end], "EXIF blocks")
        elif marker == _ADOBE and data.startswith(b"Adobe", at + 4, end):
            found[_ADOBE] = data[at + 4 : end]
        elif marker in _REFUSED:
            raise BadImageError(f"is a JPEG of {_REFUSED[marker]} coding, which few decoders read; {_RESAVE}")
        elif marker < 0xFFC0 or 0xFFD0 <= marker <= 0xFFD9 or length < 2:
            # Restart, start, end and temporary markers have no length and no place here.
            raise BadImageError(f"cannot be decoded (no header segment begins at byte {at}); {REPLACE}")
        at = end
    raise BadImageError(f"has more than {MAX_SEGMENTS} header segments; {_RESAVE}")


def _keep(found: dict[int, bytes], key: int, content: bytes, name: str) -> None:
    if key in found:
        raise BadImageError(f"holds two {name}; {_RESAVE}")
    found[key] = content


def _read_frame(frame: bytes) -> tuple[int, int, int, int]:
    """Return coding, width, height and components, of a frame header from the second byte of its marker on."""
    if len(frame) < _FRAME.size or len(frame) != _FRAME.size + 3 * frame[8]:
        raise BadImageError(f"cannot be decoded (its frame header has the wrong length); {REPLACE}")
    coding, _, precision, height, width, components = _FRAME.unpack_from(frame)
    if precision != 8:
        raise BadImageError(f"has {precision} bits a channel, and 8 are supported; {_RESAVE}")
    if components not in (1, 3):
        kind = "CMYK" if components == 4 else f"{components}-channel"
        raise BadImageError(f"is a {kind} JPEG, and grey and colour are supported; convert it to RGB and {_RESAVE}")
    check_size(width, height)
    if components == 3:
        _check_planes(frame[_FRAME.size :])
    return coding, width, height, components


def _check_planes(planes: bytes) -> None:
    """Refuse three planes that are not Y, Cb and Cr, or are stored in sizes that decoders do not share.

    Args:
        planes: Name, sampling factors and table of each plane, a byte each.
    """
    if planes[::3] == b"RGB":
        raise BadImageError(f"is an RGB-coded JPEG, and YCbCr is supported; {_RESAVE}")
    luma, blue, red = planes[1::3]
    across, down = (luma >> 4) / (blue >> 4 or 9), (luma & 15) / (blue & 15 or 9)
    if blue != red or (across, down) not in _SUBSAMPLINGS or (luma, blue) in _RARE:
        raise BadImageError(f"has the rare colour subsampling {luma:02x} {blue:02x} {red:02x}; {_RESAVE}")
