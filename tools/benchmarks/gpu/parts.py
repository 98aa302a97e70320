"""Loaders and trunks as a run would build them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.config import DEFAULT_TASKS, ModelConfig, PipelineConfig
from engine.model.multitask import build_trunk
from engine.model.trunk import StagedTrunk
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import Place
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from tools.benchmarks.gpu.work import Work


def training_loader(work: Work, pipeline: PipelineConfig, *, batch_size: int, rank: int = 0, world_size: int = 1) -> Loader:
    """Return a loader of the training split, as training has it: shuffled, channels-last, on the device."""
    dataset = ShardDataset(Path(work.shards))
    order = Order(ids=dataset.split_range("train"), batch_size=batch_size, shuffle="global", drop_last=True)
    place = Place(rank=rank, world_size=world_size, device=torch.device("cuda", 0) if work.device == "cuda" else torch.device("cpu"))
    return build_loader(build_plan(dataset, order, np.arange(len(DEFAULT_TASKS)), pipeline, place, channels_last=True))


def trunk_on_device(work: Work, *, train_from: str = "heads") -> StagedTrunk:
    """Return the trunk with random weights, channels-last."""
    config = ModelConfig(trunk=work.trunk, weights="none", tap=work.tap, train_from=train_from)
    return build_trunk(config, DEFAULT_TASKS, seed=0).to(work.device).to(memory_format=torch.channels_last)


def random_images(work: Work, batch_size: int) -> Tensor:
    """Return [batch_size, 3, size, size] noise on the device, channels-last."""
    images = torch.randn(batch_size, 3, work.image_size, work.image_size, generator=torch.Generator().manual_seed(0))
    return images.to(work.device, memory_format=torch.channels_last)


def autocast(work: Work) -> torch.autocast:
    """Return bfloat16 autocast on the device, as `train.precision bf16` has it."""
    return torch.autocast(work.device, torch.bfloat16)


def gflop_per_image(work: Work) -> float | None:
    """Return what a forward pass of the whole trunk takes, in GFLOP; None where it is not known."""
    return 30.9 if (work.trunk, work.tap, work.image_size) == ("vgg16", "logits", 224) else None
