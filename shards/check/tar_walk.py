"""A strict reader of the tars that `shards.tar` writes: of no other tar, and nothing is ever extracted.

Every header must be, byte for byte, the one that `member_header` makes of its name and size. That alone leaves out links, devices, PAX
headers, GNU extensions, owners, times and wrong checksums. What is refused is named, and the walk goes on at the next header, so that one
look finds all damage.
"""

import mmap
import re
from collections.abc import Iterator
from typing import NamedTuple

from shards.packing.keys import KEY, shown
from shards.tar import BLOCK, RECORD, member_header, padded

Tar = bytes | mmap.mmap
"""The bytes of a tar; a mapped file needs memory for what is looked at alone."""

_MAGIC = b"ustar"
_MAGIC_AT = 257
_EMPTY = bytes(BLOCK)
_CHUNK = 1 << 20
_NAME = re.compile(rb"(" + KEY.pattern + rb")\.(jpg|png|npy)")
_SIZE = re.compile(rb"[0-7]{11}\0")
_TYPES = {
    b"\0": "of a tar older than USTAR",
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"x": "a PAX header, which overrides the member behind it",
    b"g": "a PAX header, which overrides all members behind it",
} | dict.fromkeys((b"K", b"L", b"S", b"D", b"M", b"V"), "a GNU extension")
_FIELDS = {
    "name": (0, 100),
    "mode": (100, 108),
    "owner": (108, 124),
    "time of modification": (136, 148),
    "link target": (157, 257),
    "format": (257, 265),
    "owner's name": (265, 329),
    "device number": (329, 345),
    "name prefix": (345, 500),
    "filling": (500, 512),
}
"""Byte ranges of a header whose content is always the same; the name's for what stands behind it."""


class Member(NamedTuple):
    """A file in the tar: plain tuples, since a shard has thousands of them."""

    key: str
    """Its name without the suffix."""
    suffix: str
    """`jpg`, `png` or `npy`."""
    header_at: int
    """Offset of its header in bytes."""
    size: int
    """Bytes of data, which lie behind the header."""

    @property
    def data_at(self) -> int:
        """Offset of its data in bytes."""
        return self.header_at + BLOCK


class Defect(NamedTuple):
    """Something that the packer would not have written."""

    at: int
    """Offset in bytes."""
    what: str
    """What is wrong, without shard and key."""
    key: str = ""
    """Whose member it is, if the tar itself tells."""
    hides_member: bool = False
    """A member may have stood here: its neighbours may lack a partner for this reason alone."""


def walk(tar: Tar) -> Iterator[Member | Defect]:
    """Yield all members and defects in the order in which they lie in the tar."""
    at = 0
    while at + BLOCK <= len(tar):
        block = tar[at : at + BLOCK]
        if block == _EMPTY:
            at, defect = _end(tar, at)
            if defect:
                yield defect
            if at < 0:
                return
            continue
        found = _read_header(block, at, len(tar))
        yield found
        if isinstance(found, Defect):
            at = _next_header(tar, at + BLOCK)
            if at < 0:
                return
            continue
        data_end = found.data_at + found.size
        at = found.data_at + padded(found.size)
        if tar[data_end:at].strip(b"\0"):
            yield Defect(data_end, f"the filling behind {found.key}.{found.suffix} is not empty", found.key)
    yield Defect(len(tar), "ends without the empty blocks that end a tar: it was cut")


def _end(tar: Tar, at: int) -> tuple[int, Defect | None]:
    """Judge the empty block at `at`; return where the walk goes on, or -1."""
    stray = _first_nonzero(tar, at)
    if stray >= 0:
        following = _next_header(tar, at + BLOCK)
        if following >= 0:
            return following, Defect(at, "an empty block stands where a header should, and members follow", hides_member=True)
        return -1, Defect(stray, "the end of the tar is not empty")
    wanted = -(-(at + 2 * BLOCK) // RECORD) * RECORD
    if len(tar) != wanted:
        return -1, Defect(at, f"the tar ends with {len(tar) - at} empty bytes instead of {wanted - at}")
    return -1, None


def _first_nonzero(tar: Tar, at: int) -> int:
    for start in range(at, len(tar), _CHUNK):
        chunk = tar[start : start + _CHUNK]
        if chunk.count(0) != len(chunk):
            return start + len(chunk) - len(chunk.lstrip(b"\0"))
    return -1


def _next_header(tar: Tar, at: int) -> int:
    """Return the offset of the next block that looks like a header, or -1."""
    found = tar.find(_MAGIC, at + _MAGIC_AT)
    while found >= 0 and (found - _MAGIC_AT) % BLOCK:
        found = tar.find(_MAGIC, found + 1)
    return found - _MAGIC_AT if found >= 0 else -1


def _read_header(block: bytes, at: int, end: int) -> Member | Defect:
    name = block[:100].partition(b"\0")[0]
    match = _NAME.fullmatch(name)
    if match and _SIZE.fullmatch(block, 124, 136):
        size = int(block[124:135], 8)
        if at + BLOCK + size <= end and block == member_header(name, size):
            return Member(match[1].decode("ascii"), match[2].decode("ascii"), at, size)
    key = match[1].decode("ascii") if match else ""
    return Defect(at, _what_is_wrong(block, name, end - at - BLOCK), key, hides_member=True)


def _what_is_wrong(block: bytes, name: bytes, num_left: int) -> str:
    if not block.startswith(_MAGIC, _MAGIC_AT):
        return "no tar header stands where one should"
    kind = block[156:157]
    if kind != b"0":
        return f"the member {shown(name)} is {_TYPES.get(kind, f'of the unknown type {shown(kind)}')}; only plain files are allowed"
    if not _NAME.fullmatch(name):
        return _what_is_wrong_with_name(name)
    if not _SIZE.fullmatch(block, 124, 136):
        return f"the size of {shown(name)} is not written as this format does"
    size = int(block[124:135], 8)
    if size > num_left:
        return f"{shown(name)} claims {size} bytes where {max(num_left, 0)} are left: the tar was cut, or the header is not to be trusted"
    wanted = member_header(name, size)
    differing = [field for field, (start, stop) in _FIELDS.items() if block[start:stop] != wanted[start:stop]]
    reason = f"its field '{differing[0]}' is not as this format has it" if differing else "its checksum is wrong"
    return f"the header of {shown(name)} is damaged or foreign: {reason}"


def _what_is_wrong_with_name(name: bytes) -> str:
    if name.startswith((b"/", b"\\")) or b".." in re.split(rb"[/\\]", name):
        return f"the member {shown(name)} has a hostile name, which leads out of the folder"
    return f"the extra member {shown(name)} is neither KEY.jpg, KEY.png nor KEY.npy"
