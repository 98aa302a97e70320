"""3: how fast the loader is by itself, with each decoder."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from engine.config import DEFAULT_HW_DECODER_LOAD, PipelineConfig
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.parts import training_loader
from tools.benchmarks.gpu.timing import synchronize
from tools.benchmarks.gpu.work import Work

_WARMUP_BATCHES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    load: float | None
    """Share of the hardware decoder; None decodes on the CPU."""
    threads: int
    batch_size: int
    prefetch: int = 2
    half: bool = False

    def pipeline(self, work: Work) -> PipelineConfig:
        return PipelineConfig(
            image_size=work.image_size,
            decoder="cpu" if self.load is None else "auto",
            hw_decoder_load=DEFAULT_HW_DECODER_LOAD if self.load is None else self.load,
            threads=self.threads,
            prefetch=self.prefetch,
            dtype="float16" if self.half else "float32",
        )

    def in_words(self) -> str:
        decoder = "decoder cpu" if self.load is None else f"gpu, load {self.load:g}"
        return f"{decoder}, {self.threads} threads, batch {self.batch_size}, prefetch {self.prefetch}{', float16' * self.half}"


def measure(work: Work) -> Iterator[Figure]:
    """Yield the rates."""
    for case in _cases(work):
        yield _rate(work, case)


def _cases(work: Work) -> Iterator[_Case]:
    cores, size = len(os.sched_getaffinity(0)), work.batch_size
    few = max(1, cores // 2)
    yield _Case(load=None, threads=cores, batch_size=size)
    if work.device != "cuda":
        return
    yield _Case(load=None, threads=few, batch_size=size)
    yield _Case(load=None, threads=cores, batch_size=size, prefetch=4)
    for load in (0.0, 0.65, 1.0):
        yield _Case(load=load, threads=cores, batch_size=size)
    yield _Case(load=0.65, threads=few, batch_size=size)
    yield _Case(load=0.65, threads=cores, batch_size=size, prefetch=4)
    for load in (None, 0.65):
        yield _Case(load=load, threads=cores, batch_size=2 * size)
    yield _Case(load=None, threads=cores, batch_size=size, half=True)


def _rate(work: Work, case: _Case) -> Figure:
    before = _used_bytes(work)
    with training_loader(work, case.pipeline(work), batch_size=case.batch_size) as loader:
        for _ in range(_WARMUP_BATCHES):
            next(loader)
        synchronize(work.device)
        num_batches, cpu, started = 0, time.process_time(), time.perf_counter()
        while time.perf_counter() - started < work.seconds:
            next(loader)
            num_batches += 1
        synchronize(work.device)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        used = _used_bytes(work) - before
    note = f"{cpu / seconds:.1f} cores busy" + (f", {used / 2**30:.2f} GiB of the GPU" if work.device == "cuda" else "")
    rate = num_batches * case.batch_size / seconds
    return Figure(what=case.in_words(), value=rate, unit="images/s", note=note, expected="above the model's 9,000 to 11,000")


def _used_bytes(work: Work) -> int:
    """Return what is taken of the GPU's memory, by everybody."""
    if work.device != "cuda":
        return 0
    free, total = torch.cuda.mem_get_info()
    return total - free
