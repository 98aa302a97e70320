"""What the GPU does in some steps in the middle of a run."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from engine.loop.step import TrainStep

_ON_THE_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
_MOST_KERNELS = 12


@dataclass(slots=True)
class Window:
    """Some steps of a run, as CUPTI saw them."""

    wall_ms: float = 0.0
    """From the beginning of the first kernel to the end of the last."""
    busy_share: float | None = None
    """Share of it, 0 to 1, in which a kernel or a copy ran; None where nothing ran on a GPU."""
    kernels: tuple[tuple[str, float], ...] = ()
    """The longest kernels by name, and the share of the wall time that each took in all its calls."""


@contextmanager
def profiled(first: int, length: int) -> Iterator[Window]:
    """Profile steps of the training inside the block; the result is filled when they are done.

    Args:
        first: First step of the window, counted over the whole run.
        length: Steps in the window.
    """
    window, step, number = Window(), TrainStep.__call__, 0
    activities = [torch.profiler.ProfilerActivity.CUDA if torch.cuda.is_available() else torch.profiler.ProfilerActivity.CPU]
    profiler = torch.profiler.profile(activities=activities)

    def counted(self: TrainStep, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 (as the step takes and gives)
        nonlocal number
        if number == first:
            profiler.start()
        outcome = step(self, *arguments, **options)
        number += 1
        if number == first + length:
            _finish(profiler, window)
        return outcome

    with patch.object(TrainStep, "__call__", counted):
        yield window


def _finish(profiler: torch.profiler.profile, window: Window) -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    profiler.stop()
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    fill(window, [event for event in events if event.get("cat") in _ON_THE_GPU])


def fill(window: Window, events: Iterable[dict[str, Any]]) -> None:
    """Work out the window from the GPU's events: `ts` and `dur` in microseconds, and `name`."""
    spans = sorted((event["ts"], event["ts"] + event["dur"], event["name"]) for event in events)
    if not spans:
        return
    busy, end, times = 0.0, spans[0][0], Counter[str]()
    for begin, finish, name in spans:
        busy += max(0.0, finish - max(begin, end))
        end = max(end, finish)
        times[name] += finish - begin
    wall = end - spans[0][0]
    window.wall_ms, window.busy_share = wall / 1000, busy / wall
    window.kernels = tuple((name, spent / wall) for name, spent in times.most_common(_MOST_KERNELS))
