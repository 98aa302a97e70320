"""Damaged images: the check ends in bounded time, raises nothing unforeseen, and decodes small without seeing less."""

import contextlib
import datetime as dt

import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.image.check import check_image
from shards.image.header import BadImageError
from tests.unit.shards.image.test_jpeg import BASELINE, GREY, encode, without_scans


def check_both_ways(data: bytes) -> None:
    for decode in (False, True):
        with contextlib.suppress(BadImageError):
            check_image(data, decode=decode)


# The deadline is the bounded time: a few hundred milliseconds go into a damaged header that claims almost as much as it may.
BOUNDED = settings(deadline=dt.timedelta(seconds=10), suppress_health_check=[HealthCheck.too_slow])


@BOUNDED
@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8", BASELINE[:20], without_scans(GREY)]))
def test_arbitrary_bytes_raise_nothing_else(data, start):
    check_both_ways(start + data)


SOURCES = [encode(size=(40, 50), **options) for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}, {"orientation": 6})]
EDITS = st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["flip", "set", "delete", "insert", "cut"]), st.integers(0, 255))


@settings(BOUNDED, max_examples=300)
@given(st.sampled_from(SOURCES), st.lists(EDITS, min_size=1, max_size=6))
def test_damaged_jpegs_raise_nothing_else(source, edits):
    data = bytearray(source)
    for where, what, value in edits:
        at = int(where * len(data))
        match what:
            case "flip":
                data[at : at + 1] = bytes(byte ^ 1 << value % 8 for byte in data[at : at + 1])
            case "set":
                data[at : at + 1] = bytes([value])
            case "delete":
                del data[at : at + 1 + value % 16]
            case "insert":
                data[at:at] = bytes([0xFF, value])
            case "cut":
                del data[at:]
                data += b"\xff\xd9"
    check_both_ways(bytes(data))


def test_scaled_decoding_sees_what_full_decoding_sees():
    # The check decodes at an eighth of the size because that is faster; the entropy decoder sees every byte all the same.
    rng = np.random.default_rng(5)
    verdicts = []
    for number in range(300):
        data = bytearray(SOURCES[number % len(SOURCES)])
        at = int(rng.integers(data.index(b"\xff\xda"), len(data)))
        data[at : at + int(rng.integers(1, 4))] = rng.bytes(int(rng.integers(0, 4)))
        verdicts.append((decodes(bytes(data)), decodes(bytes(data), min_factor=8, min_height=1, min_width=1)))
    assert all(full == scaled for full, scaled in verdicts)
    assert {full for full, _ in verdicts} == {True, False}


def test_no_flipped_bit_is_taken_for_an_oddity():
    # What is odd is made usual and looked at again; a bit that damage has flipped must not become harmless that way.
    rng = np.random.default_rng(12)
    sources = [*SOURCES, *(encode(size=size, quality=quality) for size, quality in (((64, 64), 40), ((178, 218), 75), ((120, 90), 92)))]
    refused = 0
    for number in range(3000):
        data = bytearray(sources[number % len(sources)])
        bit = int(rng.integers(8 * len(data)))
        data[bit // 8] ^= 1 << bit % 8
        if not decodes(bytes(data), min_factor=8, min_height=1, min_width=1):
            refused += 1
            with pytest.raises(BadImageError):
                check_image(bytes(data), decode=True)
    assert refused > 300


def decodes(data: bytes, **options) -> bool:
    try:
        simplejpeg.decode_jpeg(data, "GRAY", **options)
    except ValueError:
        return False
    return True
