"""Builds the parts of a run from its configuration; what runs have in common is built once."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from torch import nn

from engine.config import AugmentConfig, Config
from engine.data import Data
from engine.dst.build import build_scheduler
from engine.dst.scheduler import RunFacts
from engine.loop.balance.build import build_balancer
from engine.loop.balance.check import check_balancer, check_sharing
from engine.loop.balance.shared import shared_parameters
from engine.loop.checkpoint import CHECKPOINTS, latest_checkpoint
from engine.loop.features.fill import Progress
from engine.loop.features.key import feature_dtype, pass_size
from engine.loop.features.opening import feature_stores, open_features
from engine.loop.features.statistics import measure_features
from engine.loop.features.stream import FeatureStream
from engine.loop.features.table import FeatureTable
from engine.loop.optimizer import build_optimizer
from engine.loop.restore import check_identity
from engine.loop.task_gradients import TaskGradients
from engine.loop.thresholds import Thresholds
from engine.loop.training_parts import TrainingParts
from engine.model.loss import positive_weights
from engine.model.multitask import MultitaskModel, build_model, build_trunk
from engine.model.trunk import StagedTrunk
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.fingerprint import fingerprint
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import LoadingPlan, Place
from engine.pipeline.order import Order
from engine.pipeline.selection import shard_sizes
from engine.run.facts import identity, identity_without_model


@dataclass(frozen=True, slots=True)
class Shared:
    """Frozen trunks and opened features, for the runs of one process that have them in common."""

    trunks: dict[str, StagedTrunk] = field(default_factory=dict)
    """What decides a trunk, in words -> the trunk."""
    tables: dict[str, FeatureTable] = field(default_factory=dict)
    """What decides the features, in words -> the features."""

    def trunk(self, config: Config, tasks: tuple[str, ...]) -> StagedTrunk:
        """Return the trunk of a run; a new one if it is trained."""
        model = config.model
        if model.train_from != "heads":
            return build_trunk(model, tasks, config.run.seed)
        taps = sorted({model.task_taps.get(task, model.tap) for task in tasks})
        seed = model.weights_seed if model.weights_seed is not None else config.run.seed
        key = repr((model.trunk, model.weights, seed if model.weights == "none" else None, model.tap_grid, model.channels_last, taps))
        if key not in self.trunks:
            self.trunks[key] = build_trunk(model, tasks, config.run.seed)
        return self.trunks[key]

    def features(self, config: Config, accelerator: Accelerator, data: Data, trunk: StagedTrunk, progress: Progress) -> FeatureTable:
        """Return the features of a run, computed if they are not there yet."""
        stores = feature_stores(config, data, trunk, accelerator.device)
        key = repr(([str(entry.store.folder) for entry in stores], config.data.limit, config.data.keys))
        if key not in self.tables:
            self.tables[key] = open_features(config, accelerator, data, trunk, stores, progress)
        return self.tables[key]


def build_parts(config: Config, accelerator: Accelerator, data: Data, shared: Shared, progress: Progress) -> TrainingParts:
    """Return the parts of a run. A collective call.

    Args:
        config: The resolved configuration.
        accelerator: Devices, ranks, precision.
        data: The opened data set.
        shared: What earlier runs of this process have built.
        progress: Told of features that have to be computed.
    """
    tasks = data.tasks
    num_missing = (len(data.ids["train"]) - tasks.num_labelled).tolist()
    check_balancer(config, tasks.names, num_missing=num_missing, world_size=accelerator.num_processes)
    trunk = shared.trunk(config, tasks.names)
    check_sharing(config, trunk, tasks.names)
    if config.model.channels_last:
        trunk.to(memory_format=torch.channels_last)
    module = build_model(config.model, trunk, tasks.names, config.run.seed)
    counted = tasks.num_labelled if config.scheduler.count_of == "labelled" else tasks.num_positive
    steps_per_epoch = build_order(config, data, "train").steps_per_epoch
    facts = RunFacts(
        tasks=tasks.names,
        depths=tuple(module.depths()),
        counts=tuple(counted.tolist()),
        seed=config.run.seed,
        steps_per_epoch=steps_per_epoch,
    )
    scheduler = build_scheduler(config.scheduler, facts)
    known = _identity(config, accelerator, data, module)
    # After everything that may be refused: computing features may take hours.
    table = None if config.features.dir is None else shared.features(config, accelerator, data, trunk, progress)
    # Noise has no scale that a training split could tell.
    if module.readout.scales and config.pipeline.backend != "synthetic":
        # A checkpoint has them. All ranks decide alike: one that sees another folder is told so when all are built.
        is_new = torch.tensor([_newest_checkpoint(config) is None], dtype=torch.int32, device=accelerator.device)
        if accelerator.gather(is_new).any():
            measure_features(config, accelerator, data, module, table)
    raw_optimizer = build_optimizer(config.optimizer, module)
    balancer = build_balancer(config, accelerator, module)
    if balancer is not None and (learnt := balancer.parameters()):
        raw_optimizer.add_param_group({"params": learnt, "lr": config.optimizer.lr, "weight_decay": 0.0})
    model, optimizer = accelerator.prepare(_runnable(config, accelerator, module, from_features=table is not None), raw_optimizer)
    make_loader = partial(_make_loader, config, accelerator, data, table)
    num_positive, num_labelled = (torch.from_numpy(counts).float() for counts in (tasks.num_positive, tasks.num_labelled))
    pos_weight = positive_weights(num_positive, num_labelled, config.loss)
    pos_weight = None if pos_weight is None else pos_weight.to(accelerator.device)
    return TrainingParts(
        config=config,
        identity=known,
        accelerator=accelerator,
        module=module,
        model=model,
        raw_optimizer=raw_optimizer,
        optimizer=optimizer,
        scheduler=scheduler,
        gradients=TaskGradients(
            accelerator,
            module if table is None else module.readout,
            shared=shared_parameters(config.model, trunk, module.readout, tasks.names),
            pos_weight=pos_weight,
            micro_batch_size=config.train.micro_batch_size,
        ),
        balancer=balancer,
        pos_weight=pos_weight,
        majority=tuple((rate or 0.0) > 0.5 for rate in tasks.positive_rates()),
        thresholds=Thresholds(len(tasks.names), config.report.threshold),
        split_sizes={split: len(ids) for split, ids in data.ids.items()},
        make_loader=make_loader,
        key_of=data.dataset.key,
        run_dir=config.run.dir,
    )


def identity_before_model(config: Config, accelerator: Accelerator, data: Data) -> dict[str, str]:
    """Return what of a run's identity is known before its model is built."""
    return identity_without_model(config, fingerprint(_plan(config, accelerator, data, "train")), _features_in_words(config, data))


def _identity(config: Config, accelerator: Accelerator, data: Data, module: MultitaskModel) -> dict[str, str]:
    """Return the run's identity; refuse to go on with a run of another one."""
    known = identity(config, identity_before_model(config, accelerator, data), module, accelerator.num_processes)
    newest = _newest_checkpoint(config)
    if newest is not None:
        check_identity(known, newest)
    return known


def _newest_checkpoint(config: Config) -> Path | None:
    return latest_checkpoint(config.run.dir / CHECKPOINTS) if config.run.if_exists == "resume" else None


def _runnable(config: Config, accelerator: Accelerator, module: MultitaskModel, *, from_features: bool) -> nn.Module:
    """Return what runs in each step, compiled if that is wanted. With features the trunk has nothing to do: it stays where it is."""
    runs = module.readout if from_features else module
    if not config.model.compile:
        return runs
    # Kernels over features are shorter than it takes to launch them: a GPU replays them as CUDA graphs. Not where gradients of several
    # parts are added up: the second part's would lie where the first part's are.
    micro, share = config.train.micro_batch_size, config.train.batch_size // accelerator.num_processes
    replayed = from_features and accelerator.device.type == "cuda" and (micro is None or micro >= share)
    return cast("nn.Module", torch.compile(runs, mode="reduce-overhead" if replayed else "default"))


def build_order(config: Config, data: Data, split: str) -> Order:
    """Return the global batches of a split."""
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


def _features_in_words(config: Config, data: Data) -> str:
    if config.features.dir is None:
        return "computed in every step"
    # They differ by rounding from those of another pass, or of a training batch.
    return f"computed once, {feature_dtype(config)}, {pass_size(config, data.dataset)} images at a time"


def _make_loader(config: Config, accelerator: Accelerator, data: Data, table: FeatureTable | None, split: str) -> Loader:
    plan = _plan(config, accelerator, data, split)
    return build_loader(plan) if table is None else Loader(plan, partial(FeatureStream, table))


def _plan(config: Config, accelerator: Accelerator, data: Data, split: str) -> LoadingPlan:
    return build_plan(
        data.dataset,
        build_order(config, data, split),
        data.tasks.columns,
        config.pipeline,
        Place(rank=accelerator.process_index, world_size=accelerator.num_processes, device=accelerator.device),
        augment=config.augment if split == "train" else AugmentConfig(),
        channels_last=config.model.channels_last,
    )
