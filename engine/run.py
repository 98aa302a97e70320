"""From a configuration to a finished run: builds the parts and hands them to the loop."""

import os
import time
from contextlib import nullcontext
from functools import partial

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin

from engine.chance import torch_seed
from engine.command_line import to_yaml
from engine.config import AugmentConfig, Config
from engine.data import Data, open_data
from engine.dst.build import build_scheduler
from engine.loop.lost_rank import lost_ranks_told
from engine.loop.optimizer import build_optimizer
from engine.loop.parts import Parts
from engine.loop.trainer import Trainer
from engine.model.loss import positive_weights
from engine.model.multitask import MultitaskModel
from engine.pipeline.build import build_loader
from engine.pipeline.loader import Loader
from engine.pipeline.order import Order
from engine.pipeline.plan import Place
from engine.pipeline.selection import shard_sizes
from engine.records import Record
from engine.report.reporter import open_reporter
from engine.run_facts import identity, run_record, warnings
from engine.run_folder import CONFIG_FILE, prepare_folder
from shards.errors import ConfigurationError


def run(config: Config) -> None:
    """Train as configured.

    Raises:
        DropstreamError: Whatever the user can mend; see `shards.errors`.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    accelerator = _accelerator(config)
    data = open_data(config.data)
    _check(config, data, accelerator)
    with lost_ranks_told(accelerator):
        _train(config, accelerator, data, started)
    accelerator.end_training()


def _train(config: Config, accelerator: Accelerator, data: Data, started: str) -> None:
    parts = _build_parts(config, accelerator, data)
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
            for warning in warnings(parts, data.tasks):
                reporter.print(warning)
        emit(run_record(parts, trainer, data.tasks, started))
        trainer.fit()


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


def _check(config: Config, data: Data, accelerator: Accelerator) -> None:
    """Refuse what only data set and devices together can show to be wrong."""
    world_size = accelerator.num_processes
    batch_size, num_train = config.train.batch_size, len(data.ids["train"])
    if batch_size % world_size:
        raise ConfigurationError(f"train.batch_size {batch_size} cannot be shared evenly by {world_size} processes")
    if num_train < (batch_size if config.pipeline.drop_last else 1):
        raise ConfigurationError(f"there are {num_train} training samples, too few for one batch of {batch_size}; lower train.batch_size")
    steps = config.train.epochs * _order(config, data, "train").steps_per_epoch
    if config.optimizer.warmup_steps >= steps:
        raise ConfigurationError(f"optimizer.warmup_steps is {config.optimizer.warmup_steps}, but the whole run has {steps} steps")


def _build_parts(config: Config, accelerator: Accelerator, data: Data) -> Parts:
    tasks = data.tasks
    make_loader = partial(_make_loader, config, accelerator, data)
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
        identity=identity(config, make_loader("train").fingerprint, module, accelerator.num_processes),
        accelerator=accelerator,
        module=module,
        model=model,
        raw_optimizer=raw_optimizer,
        optimizer=optimizer,
        scheduler=build_scheduler(config.scheduler, tasks.names, module.depths(), counted.tolist(), config.run.seed),
        pos_weight=None if pos_weight is None else pos_weight.to(accelerator.device),
        majority=tuple((rate or 0.0) > 0.5 for rate in tasks.positive_rates()),
        split_sizes={split: len(ids) for split, ids in data.ids.items()},
        make_loader=make_loader,
        run_dir=config.run.dir,
    )


def _make_loader(config: Config, accelerator: Accelerator, data: Data, split: str) -> Loader:
    return build_loader(
        data.dataset,
        _order(config, data, split),
        data.tasks.columns,
        config.pipeline,
        Place(rank=accelerator.process_index, world_size=accelerator.num_processes, device=accelerator.device),
        augment=config.augment if split == "train" else AugmentConfig(),
        channels_last=config.model.channels_last,
    )


def _order(config: Config, data: Data, split: str) -> Order:
    ids, seed = data.ids[split], config.run.seed
    if split != "train":
        return Order(ids=ids, batch_size=config.train.batch_size, seed=seed)
    window = config.pipeline.shuffle == "window"
    return Order(
        ids=ids,
        batch_size=config.train.batch_size,
        seed=seed,
        shuffle=config.pipeline.shuffle,
        drop_last=config.pipeline.drop_last,
        shard_sizes=shard_sizes(data.dataset, split, ids) if window else None,
        window_shards=config.pipeline.shards_per_window() if window else None,
    )
