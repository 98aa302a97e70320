"""A loader over a packed folder, small and quick unless told otherwise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from engine.config import AugmentConfig, PipelineConfig
from engine.pipeline.batch import Batch
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import Place
from engine.pipeline.order import Order
from engine.pipeline.selection import shard_sizes
from shards.dataset import ShardDataset

COLUMNS = np.array([39, 8, 20])


def order_of(dataset: ShardDataset, split: str = "train", **options) -> Order:
    """The order of a split: training shuffled, the rest as it lies."""
    defaults = {"ids": dataset.split_range(split), "batch_size": 8, "seed": 3, "shuffle": "global" if split == "train" else "none"}
    options = defaults | options
    if options["shuffle"] == "window":
        options = {"window_shards": 2, "shard_sizes": shard_sizes(dataset, split, options["ids"])} | options
    return Order(**options)


def open_loader(folder: Path, split: str = "train", *, rank=0, world_size=1, **options) -> Loader:
    """A loader of 8 images of 64 pixels a batch; `order`, `augment` and the rest of `options` change the three configurations."""
    start, device, channels_last = (options.pop(*option) for option in (("start", (0, 0)), ("device", "cpu"), ("channels_last", False)))
    order, augment, columns = (options.pop(*option) for option in (("order", {}), ("augment", {}), ("columns", COLUMNS)))
    dataset = ShardDataset(folder)
    threads = {} if options.get("backend") == "synthetic" else {"threads": 1}
    loader = build_loader(
        build_plan(
            dataset,
            order_of(dataset, split, **order),
            columns,
            PipelineConfig(**({"image_size": 64} | threads | options)),
            Place(rank=rank, world_size=world_size, device=torch.device(device)),
            augment=AugmentConfig(**augment),
            channels_last=channels_last,
        )
    )
    loader.seek(*start)
    return loader


def batches(num: int, folder: Path, *args, **options) -> list[Batch]:
    """The first batches of a loader."""
    with open_loader(folder, *args, **options) as loader:
        return [next(loader) for _ in range(num)]


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches are the same bit for bit."""
    tensors = ("images", "labels", "ids", "num_labelled")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in tensors) and (
        (one.num_valid, one.num_skipped) == (other.num_valid, other.num_skipped)
    )


def keys_of(folder: Path, loaded: list[Batch]) -> Iterator[list[str]]:
    """The keys of each batch's samples, without padding."""
    dataset = ShardDataset(folder)
    for batch in loaded:
        yield [dataset.key(sample_id) for sample_id in batch.ids[: batch.num_valid].tolist()]
