"""Readers with a planted bug: what the fuzzer finds in them shows that it can find anything."""

import os
import time

from shards.errors import DropstreamError
from tests.fuzz.target import MEMORY_BYTES, Target

_BAIT = b"dropstream"


def _raise(data: bytes) -> None:
    if len(data) > len(_BAIT):
        raise KeyError("planted")


def _hang(data: bytes) -> None:
    while len(data) > len(_BAIT):
        time.sleep(0.01)


def _grow(data: bytes) -> None:
    if len(data) > len(_BAIT):
        bytearray(2 * MEMORY_BYTES)


def _die(data: bytes) -> None:
    if len(data) > len(_BAIT):
        os.abort()


def _refuse(_data: bytes) -> None:
    raise DropstreamError("planted")


TARGETS = {
    name: Target(run=run, seeds=lambda: [_BAIT], rehearsals=100, seconds=2)
    for name, run in {"raises": _raise, "hangs": _hang, "grows": _grow, "dies": _die, "refuses": _refuse, "sound": bytes}.items()
}
