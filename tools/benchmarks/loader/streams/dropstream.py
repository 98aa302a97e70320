"""Ours: everything that the benchmarks know of `engine.pipeline` stands here."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch

from engine.config import PipelineConfig
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import Place
from engine.pipeline.order import Order
from engine.pipeline.source import ByteSource
from shards.dataset import ShardDataset
from tools.benchmarks.loader.work import Loaded, Work


def training_order(dataset: ShardDataset, work: Work) -> Order:
    """Return a new permutation of all samples in each epoch, in full batches."""
    return Order(ids=dataset.split_range("train"), batch_size=work.batch_size, shuffle="global", drop_last=True)


def new_loader(dataset: ShardDataset, work: Work, *, channels_last: bool = False) -> Loader:
    """Return a loader of all labels, on the CPU, with its checksums."""
    return build_loader(
        build_plan(
            dataset,
            training_order(dataset, work),
            np.arange(dataset.labels.shape[1]),
            PipelineConfig(image_size=work.image_size, threads=work.threads, check_crc=True),
            Place(rank=0, world_size=1, device=torch.device("cpu")),
            channels_last=channels_last,
        )
    )


@contextmanager
def open_contiguous(work: Work) -> Iterator[Iterator[Loaded]]:
    """Stream batches whose channels are planes."""
    with new_loader(ShardDataset(Path(work.shards)), work) as loader:
        yield ((batch.images, batch.labels) for batch in loader)


@contextmanager
def open_channels_last(work: Work) -> Iterator[Iterator[Loaded]]:
    """Stream batches in the memory format that convolutions prefer."""
    with new_loader(ShardDataset(Path(work.shards)), work, channels_last=True) as loader:
        yield ((batch.images, batch.labels) for batch in loader)


@contextmanager
def open_bytes(work: Work) -> Iterator[Iterator[Loaded]]:
    """Stream encoded images on one thread: the order, the reading and the checksums, and nothing else."""
    dataset = ShardDataset(Path(work.shards))
    with closing(ByteSource(dataset, check_crc=True)) as source:
        yield _bytes(source, training_order(dataset, work))


def _bytes(source: ByteSource, order: Order) -> Iterator[Loaded]:
    epoch = 0
    while True:
        for step in range(order.steps_per_epoch):
            yield source.read(order.batch(epoch, step)).images, None
        epoch += 1
