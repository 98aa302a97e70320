"""A trained VGG stage or two, three tasks, and a step under any balancer; also as a program, on any number of ranks."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from accelerate import Accelerator

from engine.config import Config, DataConfig, LossConfig, ModelConfig, OptimizerConfig, RunConfig, SchedulerConfig
from engine.loop.balance.balancer import StepFacts
from engine.loop.balance.build import build_balancer
from engine.loop.optimizer import build_optimizer
from engine.loop.step import TrainStep
from engine.model.multitask import build_model, build_trunk
from engine.pipeline.batch import Batch

TASKS = ("a", "b", "c")
ALL = np.ones(3, np.bool_)
LOSSES = ("torchjd.equal", "torchjd.uncertainty", "torchjd.dwa", "torchjd.famo")
HAS_ECOS = sys.version_info < (3, 13)
"""Nash-MTL's solver has no wheels from 3.13 on."""
_NASH = ("torchjd.nash_mtl",) if HAS_ECOS else ()
GRADIENTS = ("torchjd.pcgrad", "torchjd.cagrad", "torchjd.upgrad", *_NASH)
NEED_ALL = ("torchjd.famo", *_NASH)
DROPPING = tuple(name for name in LOSSES + GRADIENTS if name not in NEED_ALL)
MODEL = ModelConfig(trunk="vgg11", weights="none", train_from="conv2_1", tap="conv2_1", hidden=(6,))


def facts(trained=(True, True), *, num_parts=1, epoch=0, step=0) -> StepFacts:
    """What a balancer is told of a step."""
    mask = np.array(trained)
    active = None if mask.all() else torch.from_numpy(mask)
    return StepFacts(trained=mask, active=active, num_parts=num_parts, epoch=epoch, step=step)


def batch(number: int, *, rank=0, world_size=1, missing=0.0, size=8) -> Batch:
    """One rank's part of a global batch, with a share of the labels missing."""
    generator = torch.Generator().manual_seed(number)
    images = torch.randn(size, 3, 8, 8, generator=generator)
    labels = torch.randint(0, 2, (size, 3), generator=generator, dtype=torch.int8)
    labels[torch.rand(size, 3, generator=generator) < missing] = -1
    counts = (labels >= 0).sum(0)
    own = slice(rank * size // world_size, (rank + 1) * size // world_size)
    return Batch(
        images=images[own],
        labels=labels[own],
        ids=torch.arange(size)[own],
        num_valid=size // world_size,
        num_skipped=0,
        num_labelled=counts.float(),
        has_labels=(counts > 0).numpy(),
    )


def build(name: str, *, model=MODEL, micro_batch_size=None, optimizer="adam", weight_decay=0.0) -> SimpleNamespace:
    """A step under a balancer, built as a run builds it."""
    config = Config(
        run=RunConfig(dir=Path("run")),
        data=DataConfig(shards="shards", tasks=TASKS),
        model=model,
        loss=LossConfig(balancer=name),
        scheduler=SchedulerConfig(name="mtl" if name in NEED_ALL else "dst"),
        optimizer=OptimizerConfig(name=optimizer, lr=0.01, weight_decay=weight_decay),
    )
    accelerator = Accelerator(cpu=True)
    module = build_model(model, build_trunk(model, TASKS, 0), TASKS, 0)
    module.train()
    raw = build_optimizer(config.optimizer, module)
    balancer = build_balancer(config, accelerator, module)
    if balancer is not None and balancer.parameters():
        raw.add_param_group({"params": balancer.parameters(), "lr": 0.01, "weight_decay": 0.0})
    prepared, optimizer = accelerator.prepare(module, raw)
    step = TrainStep(accelerator, prepared, module.readout.heads, optimizer, micro_batch_size=micro_batch_size, balancer=balancer)
    return SimpleNamespace(module=module, raw=raw, balancer=balancer, step=step, accelerator=accelerator)


def main() -> None:
    """Train a few steps under every balancer, and write each step's losses over all ranks."""
    found = {}
    for name in ("none", *LOSSES, *GRADIENTS):
        built = build(name)
        rank, world_size = built.accelerator.process_index, built.accelerator.num_processes
        found[name] = []
        for number in range(6):
            part = batch(number, rank=rank, world_size=world_size, missing=0.0 if name in NEED_ALL else 0.3)
            mask = ALL if name in NEED_ALL or number % 2 else np.array([True, number % 4 != 0, True])
            outcome = built.step(part, mask, step=number)
            found[name].append(built.accelerator.reduce(torch.cat([outcome.losses, outcome.step_loss[None]])).tolist())
            if built.balancer is not None and number % 2:
                # An epoch of two steps, in which one task falls faster than the others.
                built.balancer.observe([1.0, 0.5**number, 0.9])
        found[name].append(sum(parameter.double().abs().sum().item() for parameter in built.module.parameters()))
    folder, first = Path(sys.argv[1]), built.accelerator
    (folder / f"{first.process_index}.json").write_text(json.dumps({"world_size": first.num_processes, "found": found}))
    first.end_training()
