"""2: whether two ranks decode what one does, and how far the decoders differ."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from nvidia.dali import Pipeline, fn, types
from torch import Tensor

from engine.config import PipelineConfig
from engine.pipeline.imagenet import STD
from engine.pipeline.source import ByteSource
from shards.dataset import ShardDataset
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.parts import training_loader
from tools.benchmarks.gpu.work import Work

_LOADS = (0.0, 0.65, 1.0)
Pixels = list[NDArray[Any]]


def measure(work: Work) -> Iterator[Figure]:
    """Yield how many images of a global batch differ, and by how many grey levels the decoders do."""
    settings = {"decoder cpu": PipelineConfig(image_size=work.image_size, decoder="cpu")}
    if work.device == "cuda":
        settings |= {f"gpu, load {load:g}": PipelineConfig(image_size=work.image_size, hw_decoder_load=load) for load in _LOADS}
    for name, pipeline in settings.items():
        expected = "about a third of them" if "0.65" in name else "0"
        yield _one_rank_against_two(work, name, pipeline, expected)
    yield from _decoders(work)


def _one_rank_against_two(work: Work, name: str, pipeline: PipelineConfig, expected: str) -> Figure:
    def images(rank: int, world_size: int) -> Tensor:
        with training_loader(work, pipeline, batch_size=work.batch_size, rank=rank, world_size=world_size) as loader:
            # Later batches are read in another state of the pools.
            return torch.stack([next(loader).images.cpu() for _ in range(2)])

    one, two = images(0, 1), torch.cat([images(0, 2), images(1, 2)], dim=1)
    levels = (one - two).abs() * torch.tensor(STD).view(3, 1, 1)
    differing = (levels.amax((2, 3, 4)) > 0).sum(1)
    note = f"largest difference {levels.max():.0f}, mean {levels.mean():.3f} grey levels"
    what = f"images of {work.batch_size} that differ on two ranks, {name}"
    return Figure(what=what, value=int(differing.max()), note=note, expected=expected)


def _decoders(work: Work) -> Iterator[Figure]:
    """Compare with libjpeg-turbo."""
    dataset = ShardDataset(Path(work.shards))
    encoded = ByteSource(dataset, check_crc=True).read(np.arange(min(work.batch_size, work.num_train))).images
    reference = [simplejpeg.decode_jpeg(image) for image in encoded]
    yield _difference("DALI cpu and libjpeg-turbo", _decode(encoded), reference, "0")
    if work.device != "cuda":
        return
    for fancy in (False, True):
        cuda, hardware = (_decode(encoded, load=load, fancy=fancy) for load in (0.0, 1.0))
        way = "fancy upsampling" if fancy else "as it is"
        yield _difference(f"CUDA and hardware decoder, {way}", cuda, hardware, "small; 0 would let ranks agree")
        yield _difference(f"CUDA decoder and libjpeg-turbo, {way}", cuda, reference, "below 3")


def _decode(encoded: Pixels, load: float | None = None, *, fancy: bool = False) -> Pixels:
    """Return the decoded images; on the GPU if a share for its hardware decoder is given."""
    pipeline = Pipeline(batch_size=len(encoded), num_threads=4, device_id=None if load is None else 0)
    with pipeline:
        inputs = fn.external_source(source=lambda: encoded, batch=True)
        options: dict[str, Any] = {} if load is None else {"hw_decoder_load": load, "jpeg_fancy_upsampling": fancy}
        decoder = "cpu" if load is None else "mixed"
        pipeline.set_outputs(fn.decoders.image(inputs, device=decoder, output_type=types.DALIImageType.RGB, **options))
    pipeline.build()
    (images,) = pipeline.run()
    here = images if load is None else images.as_cpu()
    return [np.array(here.at(place)) for place in range(len(encoded))]


def _difference(what: str, one: Pixels, other: Pixels, expected: str) -> Figure:
    levels = np.stack([np.abs(mine.astype(int) - its.astype(int)) for mine, its in zip(one, other, strict=True)])
    note = f"largest {levels.max()}; {(levels.reshape(len(levels), -1).max(1) > 0).sum()} of {len(levels)} images differ"
    return Figure(what=f"mean difference, {what}", value=float(levels.mean()), unit="grey levels", note=note, expected=expected)
