"""Mutations that know a format: bytes alone hardly ever get past a checksum, a length or a bracket."""

import copy
import json
import math
import re
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

Mutate = Callable[[bytes, Random], bytes]

_NUMBERS = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_LARGE = (1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1.0, 1e308, math.nan, math.inf, 1 << 31, 1 << 53, 1 << 63, 1 << 64, 10**30, 10**400),
    *(
        "",
        "x",
        "0",
        "train",
        "../x",
        "/etc/passwd",
        "\0",
        "\n",
        "\ud800",
        "é",
        "x" * 300,
        [],
        {},
        [[]],
        [None],
        {"": None},
        [0, 0],
        ["", ""],
    ),
)
_WORDS = (
    *(
        b"",
        b"-1",
        b"0",
        b"1",
        b"2",
        b"nan",
        b"1e999",
        b"99999999999999999999",
        b'"',
        b'""',
        b'"\n"',
        b",",
        b";",
        b"\t",
        b"|",
        b" ",
        b"\r",
        b"\r\n",
    ),
    *(
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"sep=;",
        b"../x.jpg",
        b"/x.jpg",
        b"a.jpg",
        b"=1+1",
        b"image",
        b"split",
        b"train",
        b"is_train",
    ),
    *("\u2028".encode(), "é".encode(), "\ud800".encode("utf-8", "surrogatepass"), b"x" * 2000, b"\x85", b"\x1c"),
)
_SIGNATURES = re.compile(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06|PK\x06[\x06\x07]|\xff[\xc0-\xfe]|Exif\0\0|\x93NUMPY|PAR1|ustar", re.DOTALL)
_DEEP = 1 << 12


def any_bytes(data: bytes, rng: Random) -> bytes:
    """Flip, overwrite, cut out, repeat or insert bytes, numbers among them."""
    mutated = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(mutated) + 1)
        size = min(rng.choice((1, 2, 4, 8, 16, 64, 512)), len(mutated) - at)
        kind = rng.randrange(7)
        if kind == 0 and size:
            mutated[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            _overwrite(mutated, at, rng)
        elif kind == 2:
            del mutated[at : at + size]
        elif kind == 3:
            mutated[at:at] = mutated[at : at + size]
        elif kind == 4:
            mutated[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8)))
        elif kind == 5 and rng.random() < 0.2:
            del mutated[at:]
        elif size:
            source = rng.randrange(len(mutated))
            mutated[at : at + size] = mutated[source : source + size]
    return bytes(mutated)


def near_signatures(data: bytes, rng: Random) -> bytes:
    """Change a number behind one of the marks by which formats announce a record."""
    found = [match.start() for match in _SIGNATURES.finditer(data)]
    if not found or rng.random() < 0.3:
        return any_bytes(data, rng)
    mutated = bytearray(data)
    _overwrite(mutated, min(len(data), rng.choice(found) + rng.randrange(48)), rng)
    return bytes(mutated)


def json_text(data: bytes, rng: Random) -> bytes:
    """Change a value, a key or the nesting of a JSON text."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return any_bytes(data, rng)
    choice = rng.random()
    if choice < 0.05:
        return any_bytes(data, rng)
    if choice < 0.08:
        depth = rng.choice((10, 900, 990, 1100, _DEEP))
        return data.replace(b"0", b"[" * depth + b"]" * depth, 1)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _changed(value, rng)
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return data


def json_lines(data: bytes, rng: Random) -> bytes:
    """Change one line of JSON, or the order of the lines."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    if rng.random() < 0.8:
        lines[place] = json_text(lines[place], rng)
    else:
        _rearrange(lines, place, rng)
    return b"\n".join(lines)


def text_lines(data: bytes, rng: Random) -> bytes:
    """Change a cell, the cells of a line, or the lines of a table."""
    if rng.random() < 0.2:
        return any_bytes(data, rng)
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    if rng.random() < 0.3:
        _rearrange(lines, place, rng)
        return b"\n".join(lines)
    cells = re.split(rb"([,;\t| :])", lines[place])
    cell = rng.randrange(len(cells))
    if rng.random() < 0.6:
        cells[cell] = rng.choice(_WORDS) if rng.random() < 0.8 else cells[cell] + rng.choice(_WORDS)
    else:
        _rearrange(cells, cell, rng)
    lines[place] = b"".join(cells)
    return b"\n".join(lines)


def npy(data: bytes, rng: Random) -> bytes:
    """Change the head of an array file, with the length that it has then; or its bytes."""
    if len(data) < 10 or not data.startswith(b"\x93NUMPY") or rng.random() < 0.4:
        return any_bytes(data, rng)
    end = 10 + int.from_bytes(data[8:10], "little")
    words = re.split(rb"(\w+|[^\w])", data[10:end])
    place = rng.randrange(len(words))
    numbers = (
        *(b"%d" % number for number in (*_NUMBERS, *_LARGE)),
        b"-1",
        b"'O'",
        b"'<U9'",
        b"[('a', '<i4')]",
        b"True",
        b"(",
        b")",
        b"\\",
        b"\n",
        b"0x",
        b"1j",
    )
    words[place] = rng.choice(numbers)
    head = b"".join(words)
    return data[:8] + struct.pack("<H", len(head) & 0xFFFF) + head + data[end:]


def safetensors(data: bytes, rng: Random) -> bytes:
    """Change the JSON head of a file of tensors, with the length that it has then; or its bytes."""
    if len(data) < 8 or rng.random() < 0.2:
        return any_bytes(data, rng)
    end = 8 + int.from_bytes(data[:8], "little")
    head = json_text(data[8:end], rng)
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + data[end:]


def png(data: bytes, rng: Random) -> bytes:
    """Change, repeat, move or drop a chunk, and make its checksum anew."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : end - 4]))
        at = end
    if not chunks or rng.random() < 0.2:
        return any_bytes(data, rng)
    place = rng.randrange(len(chunks))
    if rng.random() < 0.7:
        kind, content = chunks[place]
        kinds = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL", b"CgBI", b"iCCP", b"zTXt")
        chunks[place] = (rng.choice(kinds), content) if rng.random() < 0.2 else (kind, any_bytes(content, rng))
    else:
        _rearrange(chunks, place, rng)
    packed = (struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)) for kind, content in chunks)
    return data[:8] + b"".join(packed)


def tar(data: bytes, rng: Random) -> bytes:
    """Change a header and make its checksum anew, or rearrange the blocks."""
    blocks = [data[at : at + 512] for at in range(0, len(data), 512)]
    headers = [place for place, block in enumerate(blocks) if block[257:262] == b"ustar"]
    choice = rng.random()
    if not headers or choice < 0.2:
        return any_bytes(data, rng)
    if choice < 0.5:
        _rearrange(blocks, rng.randrange(len(blocks)), rng)
        return b"".join(blocks)
    if choice < 0.7:
        # What stands behind a header.
        place = min(rng.choice(headers) + 1, len(blocks) - 1)
        blocks[place] = near_signatures(blocks[place], rng)[:512].ljust(len(blocks[place]), b"\0")
        return b"".join(blocks)
    place = rng.choice(headers)
    block = bytearray(blocks[place])
    start, stop = rng.choice(((0, 100), (100, 108), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500)))
    words = (
        b"../x.jpg",
        b"a.npy",
        b"a.jpg",
        b"a.png",
        b"%011o" % rng.choice(_NUMBERS),
        b"77777777777",
        b"\x80" + b"\xff" * 11,
        b"x",
        b"L",
        b"",
        b"5",
    )
    block[start:stop] = (rng.choice(words) + bytes(block[start:stop]) * rng.randrange(2))[: stop - start].ljust(stop - start, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    blocks[place] = bytes(block)
    return b"".join(blocks)


def one_of(*mutations: Mutate) -> Mutate:
    """Return what mutates in one of several ways."""
    return lambda data, rng: rng.choice(mutations)(data, rng)


def _overwrite(data: bytearray, at: int, rng: Random) -> None:
    size = rng.choice((1, 2, 4, 8))
    number = rng.choice(_NUMBERS if rng.random() < 0.8 else _LARGE) & ((1 << 8 * size) - 1)
    data[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))


def _rearrange(items: list[Any], place: int, rng: Random) -> None:
    """Repeat, drop or swap an item of a list."""
    kind = rng.randrange(3)
    if kind == 0:
        items[place:place] = [items[place]] * rng.choice((1, 1, 2, 50))
    elif kind == 1:
        del items[place]
    else:
        other = rng.randrange(len(items))
        items[place], items[other] = items[other], items[place]


def _value(rng: Random) -> Any:
    # A copy: lists that several parts share would in the end hold themselves.
    return copy.deepcopy(rng.choice(_VALUES))


def _changed(value: Any, rng: Random) -> Any:
    """Return a JSON value with one of its parts changed."""
    places: list[tuple[Any, Any]] = []
    _collect(value, places)
    if not places or rng.random() < 0.02:
        return _value(rng)
    holder, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif kind == 1:
        holder[str(rng.choice(("", key, f"{key}x", "1", "-1", "9999999999")))] = holder.pop(key)
    elif kind == 2:
        other, its = rng.choice(places)
        # By value: a part that holds itself is no JSON.
        holder[key] = json.loads(json.dumps(other.get(its) if isinstance(other, dict) else other[its] if its < len(other) else None))
    elif kind == 3:
        old = holder[key]
        holder[key] = str(old) if rng.random() < 0.5 else [old] if rng.random() < 0.5 else {"": old}
    elif kind == 4 and type(holder[key]) in (int, float):
        holder[key] = rng.choice((holder[key] + 1, holder[key] - 1, -holder[key], float(holder[key]) if abs(holder[key]) < 1e300 else 0.0))
    else:
        holder[key] = _value(rng)
    return value


def _collect(value: Any, places: list[tuple[Any, Any]], depth: int = 0) -> None:
    if depth > 50:
        return
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        places.append((value, key))
        _collect(value[key], places, depth + 1)
