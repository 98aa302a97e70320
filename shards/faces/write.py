"""The command: faces and their labels, written as CelebA lays them out, or with other labels for tasks in conflict."""

import contextlib
import multiprocessing
import secrets
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import tyro
from numpy.typing import NDArray
from rich.progress import track

from shards import command
from shards.cores import usable_cores
from shards.errors import ConfigurationError, DataError
from shards.faces.attributes import NAMES, draw_attributes
from shards.faces.conflict import SPLITS, Plant, draw_labels, draw_sources, planted_tasks
from shards.faces.conflict_files import LABEL_FILE, NOTE_FILE, label_text, note_text
from shards.faces.draw import draw_face
from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER, PARTITION_FILE, attribute_text, image_name, partition_text

_CHUNK = 50
_JPEG_QUALITY = 84
_MOST_IMAGES = 999_999  # a name has six digits

Draw = Callable[[int, Sequence[int]], tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""From a seed and positions to what to draw and what to write as labels, each [faces, 40]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Draw faces whose attributes can be seen and write them in CelebA's layout."""

    out: tyro.conf.Positional[Path]
    """Folder to create; an empty one is taken as well."""
    num_images: int = 2000
    """Number of images, 1 to 999999."""
    seed: int = 0
    """Seed, at least 0; an image depends on it and on its own number only."""
    workers: int | None = None
    """Processes that draw, at least 1; as many as there are cores if not given."""
    conflict: bool = False
    """Write labels of eight tasks that get in each other's way instead of CelebA's forty, and conflict.json with what is planted."""
    leave_out: tuple[Plant, ...] = ()
    """With --conflict: what not to plant, to see what it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What became of a run of images."""

    labels: NDArray[np.bool_]
    """[images, 40]."""
    sizes_bytes: list[int]
    """Size of every file."""


def main() -> None:
    """Run the command."""
    command.run(Options, make_faces)


def make_faces(options: Options) -> None:
    """Write the images and the files of labels; nothing appears under the final name before all is there.

    Raises:
        ConfigurationError: An option is out of its range or has no effect, or `out` is a file or a folder that is not empty.
        DataError: A file cannot be written.
    """
    start = time.perf_counter()
    out = options.out.resolve()
    unfinished = out.with_name(f"{out.name}.partial-{secrets.token_hex(4)}")
    try:
        _check(options, out)
        # Before the images: too few of them for a conflict should not be told after a minute.
        texts = _conflict_texts(options) if options.conflict else {PARTITION_FILE: partition_text(options.num_images)}
        (unfinished / IMAGE_FOLDER).mkdir(parents=True)
        written = _write_images(options, unfinished / IMAGE_FOLDER)
        if not options.conflict:
            texts[ATTRIBUTE_FILE] = attribute_text(NAMES, written.labels)
        for name, text in texts.items():
            (unfinished / name).write_bytes(text.encode())
        unfinished.rename(out)
    except OSError as error:
        place = error.filename or unfinished
        raise DataError(f"{place}: cannot be written ({error.strerror}); choose another place or free some space") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    seconds = time.perf_counter() - start
    median_bytes = round(statistics.median(written.sizes_bytes))
    speed = options.num_images / seconds
    print(f"{out}: {options.num_images} images in {seconds:.1f} s, {speed:.0f} images/s, median {median_bytes} bytes")


def _check(options: Options, out: Path) -> None:
    if not 1 <= options.num_images <= _MOST_IMAGES:
        raise ConfigurationError(f"--num-images is {options.num_images}, expected 1 to {_MOST_IMAGES}")
    if options.seed < 0:
        raise ConfigurationError(f"--seed is {options.seed}, expected 0 or more")
    if options.workers is not None and options.workers < 1:
        raise ConfigurationError(f"--workers is {options.workers}, expected 1 or more")
    if options.leave_out and not options.conflict:
        raise ConfigurationError("--leave-out has no effect without --conflict; leave it out")
    twice = next((name for name in options.leave_out if options.leave_out.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"--leave-out names {twice} twice")
    if out.is_dir():
        if any(out.iterdir()):
            raise ConfigurationError(f"{out}: is not empty; name a new folder or empty this one first")
    elif out.exists():
        raise ConfigurationError(f"{out}: is a file; name a folder that does not exist yet")


def _conflict_texts(options: Options) -> dict[str, str]:
    """Return name -> text of the files beside the images of a conflict set."""
    tasks = planted_tasks(options.leave_out)
    labels = draw_labels(options.seed, options.num_images, tasks)
    return {
        PARTITION_FILE: partition_text(options.num_images, SPLITS),
        LABEL_FILE: label_text(tasks, labels),
        NOTE_FILE: note_text(options.seed, options.leave_out, tasks, labels),
    }


def _write_images(options: Options, folder: Path) -> Written:
    starts = range(0, options.num_images, _CHUNK)
    chunks = [range(start, min(start + _CHUNK, options.num_images)) for start in starts]
    workers = min(options.workers or usable_cores(), len(chunks))
    draw: Draw = draw_sources if options.conflict else draw_attributes
    with _mapped(partial(_write_chunk, options.seed, folder, draw), chunks, workers) as results:
        done = list(track(results, description="drawing", total=len(chunks), disable=not sys.stdout.isatty()))
    return Written(labels=np.concatenate([each.labels for each in done]), sizes_bytes=[size for each in done for size in each.sizes_bytes])


@contextlib.contextmanager
def _mapped(function: partial[Written], chunks: list[range], workers: int) -> Iterator[Iterator[Written]]:
    """Give the results of `function` for all chunks in order, from `workers` processes, or from this one where one is enough."""
    if workers == 1:
        yield map(function, chunks)
        return
    # Spawned, not forked: the progress bar's thread and OpenCV's may hold a lock at the moment of a fork.
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        yield executor.map(function, chunks)
    finally:
        executor.shutdown(cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)
    # Control-C reaches every process of the terminal; the first one alone stops the work and cleans up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_chunk(seed: int, folder: Path, draw: Draw, indices: range) -> Written:
    drawn, labels = draw(seed, indices)
    sizes_bytes = []
    for index, present in zip(indices, drawn.tolist(), strict=True):
        traits = frozenset(name for name, has in zip(NAMES, present, strict=True) if has)
        data = simplejpeg.encode_jpeg(draw_face(traits, seed, index), quality=_JPEG_QUALITY, colorspace="RGB", colorsubsampling="420")
        sizes_bytes.append((folder / image_name(index)).write_bytes(data))
    return Written(labels=labels, sizes_bytes=sizes_bytes)
