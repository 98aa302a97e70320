"""Unpacking one file of an archive: what goes in comes out, and never more than was declared."""

import bz2
import io
import tracemalloc
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.storage.inflate import DamagedMemberError, inflate

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def packed(content: bytes, method: int) -> memoryview:
    """Return the bytes that lie in an archive behind the file's header."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("x", content)
        start, size = 30 + len("x"), archive.getinfo("x").compress_size
    return memoryview(buffer.getvalue())[start : start + size]


@given(st.binary(max_size=300), st.sampled_from(METHODS))
def test_what_zipfile_packs_is_unpacked(content, method):
    assert inflate(method, packed(content, method), len(content)) == content


@given(st.binary(min_size=1, max_size=300), st.sampled_from(METHODS), st.data())
def test_any_other_size_is_refused(content, method, data):
    size = data.draw(st.integers(0, 2 * len(content)).filter(lambda size: size != len(content)))
    with pytest.raises(DamagedMemberError, match=rf"it declares {size} bytes and holds (more|{len(content)})"):
        inflate(method, packed(content, method), size)


@given(st.binary(max_size=60), st.sampled_from(METHODS[1:]), st.integers(0, 40))
def test_damage_has_one_error(data, method, size):
    with suppress(DamagedMemberError):
        assert len(inflate(method, memoryview(data), size)) == size


@pytest.mark.parametrize("data", [b"", b"\x09\x14\x05", b"\x09\x14\x06\0" + bytes(9), b"\x09\x14\x05\0\xff" + bytes(9)])
def test_a_damaged_lzma_header(data):
    with pytest.raises(DamagedMemberError):
        inflate(zipfile.ZIP_LZMA, memoryview(data), 10)


def test_a_dictionary_of_4_gib_is_not_allocated():
    data = bytearray(packed(b"face" * 100, zipfile.ZIP_LZMA))
    data[5:9] = b"\xff\xff\xff\xff"
    assert inflate(zipfile.ZIP_LZMA, memoryview(data), 400) == b"face" * 100


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_bomb_takes_no_more_memory_than_it_declares(method):
    bomb = packed(bytes(2**24), method)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedMemberError, match="it declares 1000 bytes and holds more"):
            inflate(method, bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 2**16
    finally:
        tracemalloc.stop()


def test_several_streams_are_not_one_file():
    with pytest.raises(DamagedMemberError, match="it declares 6 bytes and holds 3"):
        inflate(zipfile.ZIP_BZIP2, memoryview(bz2.compress(b"one") + bz2.compress(b"two")), 6)


@pytest.mark.parametrize("method", [1, 6, 9, 93, 95, 98])
def test_another_method_is_unknown(method):
    with pytest.raises(NotImplementedError, match=f"compression method {method}"):
        inflate(method, memoryview(b"x"), 1)
