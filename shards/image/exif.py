"""Which way up is a JPEG? The orientation tag of its EXIF block, where every reader of it comes to the same answer.

DALI reads the tag twice, with two readers: one sizes the output, the other, of OpenCV, turns the pixels. Where these disagree DALI writes
past its buffer; where Pillow disagrees with both, the picture lies on its side in one place and not in another. A sound block is read
alike by all three. Of an unsound one that may turn the picture nothing is certain.
"""

import struct
from typing import NamedTuple

_ORIENTATION, _SHORT = 0x0112, 3
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_RATIONALS = {0x011A: 1, 0x011B: 1, 0x013E: 2, 0x013F: 6, 0x0211: 3, 0x0214: 6}
"""Tags whose offset DALI follows whatever their type, to this many values; where that leads outside, it gives up the whole block."""


class _Entry(NamedTuple):
    tag: int
    type: int
    count: int
    value: bytes
    """The data themselves if they fit into these four bytes, else their offset."""

    def turns(self) -> bool:
        """Return whether some reader could find here that the picture is not upright."""
        return self.tag == _ORIENTATION and any(2 <= part <= 8 for part in self.value)


def read_orientation(tiff: bytes) -> int | None:
    """Return the orientation, 1 to 8, that the block asks for: 1 where it asks for none, None where readers would disagree.

    Args:
        tiff: The EXIF block from its byte order mark on.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    # Without a proper mark some readers skip the block and others take it for big-endian.
    directories = [_read_directory(guess, tiff) for guess in (order or "<>")]
    if not any(entry.turns() for entries, _ in directories for entry in entries):
        return 1
    entries, whole = directories[0]
    claims = [entry for entry in entries if entry.tag == _ORIENTATION]
    if order is None or not whole or len(claims) != 1 or not all(_is_sound(entry, order, tiff) for entry in entries):
        return None
    (orientation,) = struct.unpack_from(f"{order}H", claims[0].value)
    return orientation if 1 <= orientation <= 8 else 1


def _read_directory(order: str, tiff: bytes) -> tuple[list[_Entry], bool]:
    """Return the entries of the first directory and whether it is whole; a cut entry is filled up, as lenient readers do."""
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (num_entries,) = struct.unpack_from(f"{order}H", tiff, directory)
    except struct.error:
        return [], False
    table = tiff[directory + 2 : directory + 2 + 12 * num_entries]
    padded = table + bytes(-len(table) % 12)
    return [_Entry(*fields) for fields in struct.iter_unpack(f"{order}HHI4s", padded)], len(table) == 12 * num_entries


def _is_sound(entry: _Entry, order: str, tiff: bytes) -> bool:
    """Return whether an entry's data lie inside the block and are of the type that its tag is known for."""
    size = entry.count * _TYPE_BYTES.get(entry.type, len(tiff))
    (offset,) = struct.unpack(f"{order}I", entry.value)
    if size > len(entry.value) and offset + size > len(tiff):
        return False
    if entry.tag == _ORIENTATION:
        return (entry.type, entry.count) == (_SHORT, 1)
    return entry.tag not in _RATIONALS or (_TYPE_BYTES.get(entry.type) == 8 and entry.count >= _RATIONALS[entry.tag])
