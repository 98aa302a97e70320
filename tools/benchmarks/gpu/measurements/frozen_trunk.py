"""4: the frozen trunk on pixels that are there already: as training runs it, and what would make it faster."""

import copy
import time
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from engine.model.trunk import StagedTrunk
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.parts import autocast, gflop_per_image, random_images, trunk_on_device
from tools.benchmarks.gpu.timing import seconds_per_call, synchronize
from tools.benchmarks.gpu.work import Work

_EAGER, _ONCE, _FUSED = "autocast, as training does", "weights cast once", "cast once, cudnn_convolution_relu"
_EXPECTED = {_EAGER: "9,000 to 11,000", _ONCE: "3 to 8 % above autocast", _FUSED: "above both"}


@torch.no_grad()
def measure(work: Work) -> Iterator[Figure]:
    """Yield rates by batch size and way."""
    trunk = trunk_on_device(work).eval()
    cast_trunk = copy.deepcopy(trunk).to(torch.bfloat16)
    ways: dict[str, Callable[[Tensor], object]] = {
        _EAGER: lambda images: _autocast(work, trunk, images),
        _ONCE: lambda images: cast_trunk(images.bfloat16()),
    }
    if work.device == "cuda":
        ways[_FUSED] = lambda images: _fused(cast_trunk, images.bfloat16())
    for size in work.batch_sizes:
        for name, call in ways.items():
            yield _figure(work, f"{name}, batch {size}", call, size, _EXPECTED[name])
    yield from _difference(work, trunk, cast_trunk)
    yield from _compiled(work, trunk, cast_trunk)


def _autocast(work: Work, trunk: nn.Module, images: Tensor) -> object:
    with autocast(work):
        return trunk(images)


def _fused(trunk: StagedTrunk, images: Tensor) -> Tensor:
    """Run convolution, bias and ReLU as one kernel; the rest as it is."""
    value = images
    for name, stage in trunk.stages.items():
        if name.startswith("conv"):
            layer = cast("nn.Conv2d", cast("nn.Sequential", stage)[0])
            padding = cast("tuple[int, int]", layer.padding)
            value = torch.cudnn_convolution_relu(value, layer.weight, layer.bias, layer.stride, padding, layer.dilation, layer.groups)
        else:
            value = stage(value)
    return value


def _figure(work: Work, what: str, call: Callable[[Tensor], object], size: int, expected: str) -> Figure:
    images = random_images(work, size)
    rate = size / seconds_per_call(lambda: call(images), work.device, repeats=work.repeats)
    gflop = gflop_per_image(work)
    return Figure(
        what=what, value=rate, unit="images/s", note="" if gflop is None else f"{gflop * rate / 1e3:.0f} TFLOP/s", expected=expected
    )


def _difference(work: Work, trunk: StagedTrunk, cast_trunk: StagedTrunk) -> Iterator[Figure]:
    images = random_images(work, work.batch_size)
    with autocast(work):
        expected = trunk(images)[work.tap]
    others = {_ONCE: cast_trunk(images.bfloat16())[work.tap]}
    if work.device == "cuda":
        others[_FUSED] = _fused(cast_trunk, images.bfloat16())
    for name, found in others.items():
        difference = (found.float() - expected.float()).norm() / expected.float().norm()
        should = "0: the same kernels" if name == _ONCE else "below 0.01"
        yield Figure(what=f"relative difference from autocast, {name}", value=float(difference), expected=should)


def _compiled(work: Work, trunk: nn.Module, cast_trunk: nn.Module) -> Iterator[Figure]:
    images = random_images(work, work.batch_size)
    compiled, cast_compiled = (cast("nn.Module", torch.compile(module, backend=work.compiler)) for module in (trunk, cast_trunk))
    calls: dict[str, Callable[[Tensor], object]] = {
        "compiled, autocast": lambda images: _autocast(work, compiled, images),
        "compiled, cast once": lambda images: cast_compiled(images.bfloat16()),
    }
    for name, call in calls.items():
        started = time.perf_counter()
        call(images)
        synchronize(work.device)
        seconds = time.perf_counter() - started
        yield _figure(work, f"{name}, batch {work.batch_size}", call, work.batch_size, "15,000 to 20,000")
        yield Figure(what=f"{name}: until it is compiled", value=seconds, unit="s", expected="about a minute")
