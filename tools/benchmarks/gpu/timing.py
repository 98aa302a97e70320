"""How long the device takes for a call."""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch


def synchronize(device: str) -> None:
    """Wait until the device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_per_call(call: Callable[[], object], device: str, *, repeats: int, warmup: int = 5) -> float:
    """Return the median time of a call, in seconds: the device's, by CUDA events, or a CPU's.

    Args:
        call: What to time.
        device: `cuda` or `cpu`.
        repeats: Timed calls.
        warmup: Calls before, in which kernels are chosen and memory is taken.
    """
    for _ in range(min(warmup, repeats)):
        call()
    synchronize(device)
    if device != "cuda":
        return statistics.median(_wall_seconds(call) for _ in range(repeats))
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    torch.cuda.synchronize()
    return statistics.median(before.elapsed_time(after) / 1000 for before, after in pairwise(marks))


def _wall_seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
