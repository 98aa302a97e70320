"""libjpeg-turbo alone: as fast as JPEGs can be decoded on a CPU, whatever happens to the pixels afterwards."""

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import simplejpeg

from shards.faces.layout import IMAGE_FOLDER
from tools.benchmarks.loader.work import Loaded, Work

_IMAGES = 2000
"""Images that are decoded over and over; they lie in memory."""
_PIECE = 32
"""Images per call of a thread, so that the handing over costs nothing."""


@contextmanager
def open_stream(work: Work) -> Iterator[Iterator[Loaded]]:
    """Decode encoded images from memory on all threads; simplejpeg lets Python's lock go meanwhile."""
    paths = itertools.islice(sorted((Path(work.faces) / IMAGE_FOLDER).iterdir()), _IMAGES)
    encoded = [path.read_bytes() for path in paths]
    pieces = [encoded[first : first + _PIECE] for first in range(0, len(encoded), _PIECE)]
    with ThreadPoolExecutor(work.threads) as threads:
        yield _decoded(threads, pieces, 2 * work.threads)


def _decoded(threads: ThreadPoolExecutor, pieces: list[list[bytes]], ahead: int) -> Iterator[Loaded]:
    endless = itertools.cycle(pieces)
    pending: list[Future[range]] = [threads.submit(_decode, next(endless)) for _ in range(ahead)]
    while True:
        yield pending.pop(0).result(), None
        pending.append(threads.submit(_decode, next(endless)))


def _decode(encoded: list[bytes]) -> range:
    for data in encoded:
        simplejpeg.decode_jpeg(data)
    # Only their number is wanted: the pixels of many batches would be a matter of memory.
    return range(len(encoded))
