"""From a configuration to a finished run: builds the parts and hands them to the loop."""

import dataclasses
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import nvidia.dali
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from engine.chance import torch_seed
from engine.command_line import to_yaml
from engine.config import Config, OptimizerConfig
from engine.dst.build import build_scheduler
from engine.loop.parts import Parts
from engine.loop.trainer import Trainer
from engine.model.loss import positive_weights
from engine.model.multitask import MultitaskModel
from engine.pipeline.loader import Loader, Place
from engine.pipeline.order import Order
from engine.records import Record, RunRecord
from engine.report.journal import FILE_NAME as JOURNAL
from engine.report.reporter import open_reporter
from shards.annotations import SPLITS
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, did_you_mean

CONFIG_FILE = "config.yaml"
_LIBRARIES = ("dropstream", "torch", "torchvision", "accelerate", "numpy")

# Settings that may differ between the two halves of a resumed run, because they do not decide its result.
_FREE_SETTINGS = (
    "run.dir",
    "run.if_exists",
    "data.shards",
    "pipeline.threads",
    "pipeline.prefetch",
    "pipeline.check_crc",
    "train.micro_batch_size",
    "train.checkpoint_every",
    "report.console",
    "report.every",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelCounts:
    """Labels of the chosen tasks in the training split."""

    num_labelled: NDArray[np.int64]
    """[T] samples with a label."""
    num_positive: NDArray[np.int64]
    """[T] samples labelled 1."""

    def positive_rates(self) -> tuple[float | None, ...]:
        """Return positives / labelled per task, None without labels."""
        return tuple(
            positive / labelled if labelled else None
            for positive, labelled in zip(self.num_positive.tolist(), self.num_labelled.tolist(), strict=True)
        )


@dataclass(frozen=True, slots=True)
class Tasks:
    """The chosen tasks."""

    names: tuple[str, ...]
    """Attribute names, in label order."""
    columns: NDArray[np.int64]
    """[T] their columns in the data set's labels."""
    counts: LabelCounts
    """Their labels in the training split."""


def run(config: Config) -> None:
    """Train as configured.

    Raises:
        DropstreamError: Whatever the user can mend; see `shards.errors`.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    accelerator = _accelerator(config)
    dataset = ShardDataset(config.data.shards)
    tasks, columns = choose_tasks(config.data.tasks, dataset.manifest.attributes)
    _check_batch(config, dataset, accelerator.num_processes)
    if accelerator.is_main_process:
        prepare_folder(config.run.dir, config.run.if_exists)
    accelerator.wait_for_everyone()
    reporting = open_reporter(config.run.dir, config.report.console) if accelerator.is_main_process else nullcontext()
    with reporting as reporter:
        counts = _count_labels(dataset, columns)
        parts = _build_parts(config, accelerator, dataset, Tasks(tasks, columns, counts), reporter.emit if reporter else _ignore)
        trainer = Trainer(parts)
        if reporter:
            (config.run.dir / CONFIG_FILE).write_text(to_yaml(config), encoding="utf-8")
            for warning in _warnings(parts, counts):
                reporter.print(warning)
        parts.emit(_run_record(parts, trainer, counts, started))
        trainer.fit()
    accelerator.end_training()


def choose_tasks(names: Sequence[str], attributes: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the task names and [T] their columns in the data set's labels.

    Args:
        names: Attribute names, or the single word `all`.
        attributes: The data set's attributes, in column order.

    Raises:
        ConfigurationError: The data set has no such attribute; the nearest one is named.
    """
    if tuple(names) == ("all",):
        return tuple(attributes), np.arange(len(attributes))
    for name in names:
        if name not in attributes:
            raise ConfigurationError(f"data.tasks: the data set has no attribute {name!r}{did_you_mean(name, attributes)}")
    return tuple(names), np.array([attributes.index(name) for name in names])


def prepare_folder(folder: Path, if_exists: Literal["refuse", "resume", "replace"]) -> None:
    """Make the run folder, or deal with what is in it.

    Raises:
        ConfigurationError: It holds a run that must not be touched, something that is no run, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = os.listdir(folder)
        if names and if_exists == "refuse":
            raise ConfigurationError(f"run.dir {folder}: is not empty; add --run.if_exists resume or replace, or name another folder")
        if names and CONFIG_FILE not in names and JOURNAL not in names:
            raise ConfigurationError(f"run.dir {folder}: is not empty and holds no run; name another folder")
        if if_exists == "replace":
            shutil.rmtree(folder)
            folder.mkdir()
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(f"run.dir {folder}: cannot be used ({error.strerror})") from error


def _ignore(_record: Record) -> None:
    """Take a record on a rank that does not report."""


def _accelerator(config: Config) -> Accelerator:
    # Repeating a run exactly matters more than cuDNN's fastest algorithm, which is chosen by timing and may sum in any order.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if config.train.precision == "fp16" and (not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"):
        raise ConfigurationError("train.precision fp16 needs a GPU; use bf16 or no")
    return Accelerator(mixed_precision=config.train.precision)


def _check_batch(config: Config, dataset: ShardDataset, world_size: int) -> None:
    batch_size, num_train = config.train.batch_size, len(dataset.split_range("train"))
    if batch_size % world_size:
        raise ConfigurationError(f"train.batch_size {batch_size} cannot be shared evenly by {world_size} processes")
    if num_train < (batch_size if config.pipeline.drop_last else 1):
        raise ConfigurationError(
            f"the training split has {num_train} samples, too few for one batch of {batch_size}; lower train.batch_size"
        )


def _count_labels(dataset: ShardDataset, columns: NDArray[np.int64]) -> LabelCounts:
    ids = dataset.split_range("train")
    labels = dataset.labels[ids.start : ids.stop][:, columns]
    return LabelCounts(num_labelled=(labels >= 0).sum(0), num_positive=(labels == 1).sum(0))


def _build_parts(config: Config, accelerator: Accelerator, dataset: ShardDataset, tasks: Tasks, emit: Callable[[Record], None]) -> Parts:
    torch.manual_seed(torch_seed(config.run.seed, "weights"))
    module = MultitaskModel(config.model, tasks.names)
    if config.model.channels_last:
        module.to(memory_format=torch.channels_last)
    raw_optimizer = _optimizer(config.optimizer, module)
    model, optimizer = accelerator.prepare(torch.compile(module) if config.model.compile else module, raw_optimizer)
    counted = tasks.counts.num_labelled if config.scheduler.count_of == "labelled" else tasks.counts.num_positive
    num_positive, num_labelled = (torch.from_numpy(array).float() for array in (tasks.counts.num_positive, tasks.counts.num_labelled))
    pos_weight = positive_weights(num_positive, num_labelled, config.loss)
    return Parts(
        config=config,
        identity=_identity(config, dataset),
        accelerator=accelerator,
        module=module,
        model=model,
        raw_optimizer=raw_optimizer,
        optimizer=optimizer,
        scheduler=build_scheduler(config.scheduler, tasks.names, module.depths(), counted.tolist(), config.run.seed),
        pos_weight=None if pos_weight is None else pos_weight.to(accelerator.device),
        majority=tuple((rate or 0.0) > 0.5 for rate in tasks.counts.positive_rates()),
        split_sizes={split: len(dataset.split_range(split)) for split in SPLITS},
        make_loader=lambda split, start: _loader(config, accelerator, dataset, tasks.columns, (split, start)),
        emit=emit,
        run_dir=config.run.dir,
    )


def _loader(
    config: Config, accelerator: Accelerator, dataset: ShardDataset, columns: NDArray[np.int64], which: tuple[str, tuple[int, int]]
) -> Loader:
    split, start = which
    train = split == "train"
    order = Order(
        ids=dataset.split_range(split),
        batch_size=config.train.batch_size,
        seed=config.run.seed,
        shuffle=train,
        drop_last=train and config.pipeline.drop_last,
    )
    place = Place(rank=accelerator.process_index, world_size=accelerator.num_processes, device=accelerator.device)
    pipeline = config.pipeline if train else dataclasses.replace(config.pipeline, mirror=False)
    return Loader(dataset, order, columns, pipeline, place, start)


def _optimizer(config: OptimizerConfig, module: MultitaskModel) -> torch.optim.Optimizer:
    trunk = [parameter for parameter in module.trunk.parameters() if parameter.requires_grad]
    known = set(map(id, module.trunk.parameters()))
    heads = [parameter for parameter in module.parameters() if id(parameter) not in known]
    groups = [{"params": heads, "lr": config.lr}] + ([{"params": trunk, "lr": config.trunk_lr or config.lr}] if trunk else [])
    if config.name == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=config.weight_decay, fused=True)
    build = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.name]
    return build(groups, weight_decay=config.weight_decay, fused=True)


def _identity(config: Config, dataset: ShardDataset) -> dict[str, str]:
    sections = dataclasses.asdict(config)
    settings = {f"{section}.{key}": str(value) for section, keys in sections.items() for key, value in keys.items()}
    arrays = dataset.manifest.arrays
    return {name: value for name, value in settings.items() if name not in _FREE_SETTINGS} | {
        "data set": ", ".join(f"{name} {digest[:16]}" for name, digest in sorted(arrays.items()))
    }


def _warnings(parts: Parts, counts: LabelCounts) -> Iterator[str]:
    for task, rate in zip(parts.module.tasks, counts.positive_rates(), strict=True):
        if rate is None or rate in (0.0, 1.0):
            yield f"warning: task {task} has {'no label' if rate is None else 'one class only'} in the training split; it cannot be learnt"
    for split in ("val", "test"):
        if not parts.split_sizes[split]:
            yield f"warning: the {split} split is empty; nothing is evaluated on it"


def _run_record(parts: Parts, trainer: Trainer, counts: LabelCounts, started: str) -> RunRecord:
    config, accelerator = parts.config, parts.accelerator
    num_parameters, num_trainable = parts.module.num_parameters()
    per_rank = config.train.batch_size // accelerator.num_processes
    trained = {"heads": "frozen", "all": "trained"}.get(config.model.train_from, f"trained from {config.model.train_from} on")
    return RunRecord(
        name=config.run.dir.resolve().name,
        started=started,
        resumed_epoch=trainer.position.epoch,
        resumed_step=trainer.position.step,
        tasks=parts.module.tasks,
        positive_rates=counts.positive_rates(),
        scheduler=config.scheduler.name,
        model=f"{config.model.trunk} ({config.model.weights} weights, {trained}), heads on {config.model.tap}",
        num_parameters=num_parameters,
        num_trainable_parameters=num_trainable,
        device=_device_name(accelerator.device),
        world_size=accelerator.num_processes,
        precision=config.train.precision,
        global_batch_size=config.train.batch_size,
        micro_batch_size=min(config.train.micro_batch_size or per_rank, per_rank),
        epochs=config.train.epochs,
        steps_per_epoch=trainer.steps_per_epoch,
        split_sizes=parts.split_sizes,
        versions={"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES} | {"dali": nvidia.dali.__version__},
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
