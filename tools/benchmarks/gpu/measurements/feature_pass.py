"""7: computing features once: how fast, how long it waits for the disk, how long the GPU has nothing to do."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from engine.loop.features import key
from engine.loop.features.compute import FeaturePass
from engine.model.trunk import StagedTrunk
from engine.run.construction import Shared
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.timing import synchronize
from tools.benchmarks.gpu.training import scratch, train
from tools.benchmarks.gpu.work import Work

_SIZES = (64, 256)


class _Watch:
    """Adds up, while a pass runs, its own time, that of the trunk on the device and that of flushing files."""

    def __init__(self, work: Work) -> None:
        self.seconds = self.flushing = 0.0
        self._work = work
        self._marks: list[tuple[Any, Any]] = []
        self._stack = ExitStack()

    def __enter__(self) -> "_Watch":
        compute, forward, flush = FeaturePass.__call__, StagedTrunk.forward, os.fdatasync

        def timed_pass(itself: FeaturePass, *arguments: Any) -> None:  # noqa: ANN401
            started = time.perf_counter()
            compute(itself, *arguments)
            synchronize(self._work.device)
            self.seconds += time.perf_counter() - started

        def timed_forward(trunk: StagedTrunk, images: torch.Tensor) -> Any:  # noqa: ANN401
            before = self._mark()
            seen = forward(trunk, images)
            self._marks.append((before, self._mark()))
            return seen

        def timed_flush(descriptor: int) -> None:
            started = time.perf_counter()
            flush(descriptor)
            self.flushing += time.perf_counter() - started

        self._stack.enter_context(patch.object(FeaturePass, "__call__", timed_pass))
        self._stack.enter_context(patch.object(StagedTrunk, "forward", timed_forward))
        self._stack.enter_context(patch.object(os, "fdatasync", timed_flush))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def trunk_seconds(self) -> float:
        """Return the time of all forward passes on the device."""
        if self._work.device == "cuda":
            return sum(before.elapsed_time(after) for before, after in self._marks) / 1000
        return sum(after - before for before, after in self._marks)

    def _mark(self) -> Any:  # noqa: ANN401 (an event, or seconds)
        if self._work.device != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def measure(work: Work) -> Iterator[Figure]:
    """Yield the rate of the pass, by images per forward pass; the features of the usual size are kept for the next measurement."""
    num_images, shared = work.num_train + 2 * work.num_eval, Shared()
    with scratch(work) as folder:
        for size in _SIZES:
            usual = size == _SIZES[0]
            features = features_folder(work) if usual else folder / "features"
            # Nothing of an earlier measurement may be found.
            features = features if not features.exists() else folder / f"features-{size}"
            with patch.object(key, "_PIXELS", size * work.image_size**2), _Watch(work) as watch:
                train(work, folder / str(size), shared, features__dir=features)
            yield _figure(f"pass of {size} images", num_images, watch)


def features_folder(work: Work) -> Path:
    """Return where features are kept between measurements."""
    return Path(work.folder) / "features"


def _figure(what: str, num_images: int, watch: _Watch) -> Figure:
    busy, flushing = watch.trunk_seconds() / watch.seconds, watch.flushing / watch.seconds
    note = f"{watch.seconds:.1f} s; {1 - busy:.0%} without a forward pass, {flushing:.0%} in fdatasync"
    return Figure(what=what, value=num_images / watch.seconds, unit="images/s", note=note, expected="7,000 to 10,000; 70,000 in 7 to 10 s")
