"""From a configuration to a finished run: builds the parts and hands them to the loop."""

import dataclasses
import os
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin

from engine.chance import torch_seed
from engine.command_line import to_yaml
from engine.config import Config, DataConfig
from engine.dst.build import build_scheduler
from engine.loop.optimizer import build_optimizer
from engine.loop.parts import Parts
from engine.loop.trainer import Trainer
from engine.model.loss import positive_weights
from engine.model.multitask import MultitaskModel
from engine.pipeline.loader import Loader, Place
from engine.pipeline.order import Order
from engine.records import Record
from engine.report.reporter import open_reporter
from engine.run_facts import identity, run_record, warnings
from engine.run_folder import CONFIG_FILE, prepare_folder
from engine.tasks import Tasks, choose_tasks
from shards.annotations import SPLITS
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError


def run(config: Config) -> None:
    """Train as configured.

    Raises:
        DropstreamError: Whatever the user can mend; see `shards.errors`.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    accelerator = _accelerator(config)
    dataset = ShardDataset(_local_folder(config.data))
    tasks = choose_tasks(config.data.tasks, dataset)
    _check(config, dataset, accelerator)
    parts = _build_parts(config, accelerator, dataset, tasks)
    # Only when everything is built: a start that fails leaves no folder behind.
    if accelerator.is_main_process:
        prepare_folder(config.run.dir, config.run.if_exists)
    accelerator.wait_for_everyone()
    reporting = open_reporter(config.run.dir, config.report.console) if accelerator.is_main_process else nullcontext()
    with reporting as reporter:
        emit = reporter.emit if reporter else _ignore
        trainer = Trainer(parts, emit)
        if reporter:
            (config.run.dir / CONFIG_FILE).write_text(to_yaml(config), encoding="utf-8")
            for warning in warnings(parts, tasks):
                reporter.print(warning)
        emit(run_record(parts, trainer, tasks, started))
        trainer.fit()
    accelerator.end_training()


def _local_folder(data: DataConfig) -> Path:
    if data.cache is None:
        return Path(data.shards)
    # Imported here: a data set on this machine needs no fsspec.
    from shards.storage.cache import local_copy

    return local_copy(data.shards, data.cache)


def _ignore(_record: Record) -> None:
    """Take a record on a rank that does not report."""


def _accelerator(config: Config) -> Accelerator:
    # Repeating a run exactly matters more than cuDNN's fastest algorithm, which is chosen by timing and may sum in any order.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if config.train.precision == "fp16" and (not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"):
        raise ConfigurationError("train.precision fp16 needs a GPU; use bf16 or no")
    # Accumulation is the loop's own; said explicitly, because an environment variable would otherwise scale every gradient.
    plugin = GradientAccumulationPlugin(num_steps=1)
    return Accelerator(mixed_precision=config.train.precision, gradient_accumulation_plugin=plugin)


def _check(config: Config, dataset: ShardDataset, accelerator: Accelerator) -> None:
    """Refuse what only data set and devices together can show to be wrong."""
    world_size = accelerator.num_processes
    if config.pipeline.decoder == "gpu" and accelerator.device.type != "cuda":
        raise ConfigurationError(f"pipeline.decoder gpu has no effect: the run is on {accelerator.device}; use auto or cpu")
    batch_size, num_train = config.train.batch_size, len(dataset.split_range("train"))
    if batch_size % world_size:
        raise ConfigurationError(f"train.batch_size {batch_size} cannot be shared evenly by {world_size} processes")
    if num_train < (batch_size if config.pipeline.drop_last else 1):
        raise ConfigurationError(
            f"the training split has {num_train} samples, too few for one batch of {batch_size}; lower train.batch_size"
        )
    steps = config.train.epochs * _order(config, dataset, "train").steps_per_epoch
    if config.optimizer.warmup_steps >= steps:
        raise ConfigurationError(f"optimizer.warmup_steps is {config.optimizer.warmup_steps}, but the whole run has {steps} steps")


def _build_parts(config: Config, accelerator: Accelerator, dataset: ShardDataset, tasks: Tasks) -> Parts:
    torch.manual_seed(torch_seed(config.run.seed, "weights"))
    module = MultitaskModel(config.model, tasks.names)
    if config.model.channels_last:
        module.to(memory_format=torch.channels_last)
    raw_optimizer = build_optimizer(config.optimizer, module)
    model, optimizer = accelerator.prepare(torch.compile(module) if config.model.compile else module, raw_optimizer)
    counted = tasks.num_labelled if config.scheduler.count_of == "labelled" else tasks.num_positive
    num_positive, num_labelled = (torch.from_numpy(counts).float() for counts in (tasks.num_positive, tasks.num_labelled))
    pos_weight = positive_weights(num_positive, num_labelled, config.loss)
    return Parts(
        config=config,
        identity=identity(config, dataset, module, accelerator.num_processes),
        accelerator=accelerator,
        module=module,
        model=model,
        raw_optimizer=raw_optimizer,
        optimizer=optimizer,
        scheduler=build_scheduler(config.scheduler, tasks.names, module.depths(), counted.tolist(), config.run.seed),
        pos_weight=None if pos_weight is None else pos_weight.to(accelerator.device),
        majority=tuple((rate or 0.0) > 0.5 for rate in tasks.positive_rates()),
        split_sizes={split: len(dataset.split_range(split)) for split in SPLITS},
        make_loader=partial(_make_loader, config, accelerator, dataset, tasks),
        run_dir=config.run.dir,
    )


def _make_loader(
    config: Config, accelerator: Accelerator, dataset: ShardDataset, tasks: Tasks, split: str, start: tuple[int, int]
) -> Loader:
    place = Place(rank=accelerator.process_index, world_size=accelerator.num_processes, device=accelerator.device)
    pipeline = config.pipeline if split == "train" else dataclasses.replace(config.pipeline, mirror=False)
    return Loader(dataset, _order(config, dataset, split), tasks.columns, pipeline, place, start)


def _order(config: Config, dataset: ShardDataset, split: str) -> Order:
    train = split == "train"
    return Order(
        ids=dataset.split_range(split),
        batch_size=config.train.batch_size,
        seed=config.run.seed,
        shuffle=train,
        drop_last=train and config.pipeline.drop_last,
    )
