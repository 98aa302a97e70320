"""1: the machine, and the ceilings that other figures are held against."""

import os
from collections.abc import Iterator
from pathlib import Path

import nvidia.dali
import torch

from engine.gpu_driver import driver_version
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.timing import seconds_per_call
from tools.benchmarks.gpu.work import Work

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def measure(work: Work) -> Iterator[Figure]:
    """Yield what the machine is and can do."""
    yield Figure(what="torch", value=f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    yield Figure(what="DALI", value=nvidia.dali.__version__)
    quota = _QUOTA.read_text(encoding="ascii").strip() if _QUOTA.exists() else "none"
    yield Figure(what="cores", value=len(os.sched_getaffinity(0)), note=f"cpu.max: {quota}", expected="quota / period not below the cores")
    if work.device == "cuda":
        free, total = torch.cuda.mem_get_info()
        yield Figure(what="GPU", value=torch.cuda.get_device_name(), note=f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
        yield Figure(what="driver", value=driver_version(), expected="580 or later for CUDA 13")
    size = 8192 if work.device == "cuda" else 256
    one, other = (torch.randn(size, size, device=work.device).bfloat16() for _ in range(2))
    seconds = seconds_per_call(lambda: one @ other, work.device, repeats=work.repeats)
    yield Figure(what=f"bf16 matrix product, {size}", value=2 * size**3 / seconds / 1e12, unit="TFLOP/s", expected="about 800")
    if work.device == "cuda":
        yield from _copies(work)


def _copies(work: Work) -> Iterator[Figure]:
    here = torch.empty(2**28, device=work.device)
    there = torch.empty_like(here)
    seconds = seconds_per_call(lambda: there.copy_(here), work.device, repeats=work.repeats)
    read_and_written = 2 * here.nbytes / seconds / 1e12
    yield Figure(what="copy on the GPU, read and written", value=read_and_written, unit="TB/s", expected="about 3.0")
    pinned = torch.empty(2**26).pin_memory()
    seconds = seconds_per_call(lambda: here[: 2**26].copy_(pinned, non_blocking=True), work.device, repeats=work.repeats)
    yield Figure(what="copy to the GPU from pinned memory", value=pinned.nbytes / seconds / 1e9, unit="GB/s", expected="above 20")
