"""What a run is, in words: its record, its identity, and what its user should know before it starts."""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import nvidia.dali
import torch

from engine.config import Config
from engine.data import Data, Tasks
from engine.dst.build import code_of
from engine.journal.records import RunRecord
from engine.loop.features.key import feature_dtype
from engine.loop.trainer import Trainer
from engine.loop.training_parts import TrainingParts
from engine.model.multitask import MultitaskModel
from engine.settings import deciding
from shards.version import tool_version

_LIBRARIES = ("torch", "torchvision", "accelerate", "numpy")

_MICRO_BATCH = "train.micro_batch_size"


def identity(config: Config, known: dict[str, str], module: MultitaskModel, world_size: int) -> dict[str, str]:
    """Return everything that decides a run's result, name -> value in words; a checkpoint of another identity is refused.

    Args:
        config: The resolved configuration.
        known: What is known before the model is built; see `identity_without_model`.
        module: The model with its initial weights.
        world_size: Number of ranks.
    """
    known = dict(known)
    if module.depends_on_batch_split():
        # Batch statistics and dropout see what one forward pass sees.
        known |= {_MICRO_BATCH: str(config.train.micro_batch_size), "number of processes": str(world_size)}
    # Frozen weights are not in a checkpoint, but must be the same.
    return known | {"frozen weights": module.trunk.frozen_digest()}


def identity_without_model(config: Config, batches: dict[str, str], features: str) -> dict[str, str]:
    """Return the part of a run's identity that is known before its model is built.

    Args:
        config: The resolved configuration.
        batches: Fingerprint of the training loader, which tells of the sections `pipeline` and `augment` too.
        features: Where what the frozen trunk sees comes from.
    """
    settings = {name: value for name, value in deciding(config).items() if not name.startswith(("pipeline.", "augment."))}
    code = code_of(config.scheduler.name)
    return settings | batches | {"features": features} | ({} if code is None else {"code of the scheduler": code})


def warnings(parts: TrainingParts, tasks: Tasks) -> Iterator[str]:
    """Yield what the user should know before the run starts, a line each."""
    yield from parts.module.trunk.notes
    for task, rate in zip(parts.module.tasks, tasks.positive_rates(), strict=True):
        if rate is None or rate in (0.0, 1.0):
            yield f"warning: task {task} has {'no label' if rate is None else 'one class only'} in the training split; it cannot be learnt"
    if parts.config.pipeline.backend == "synthetic":
        yield "warning: pipeline.backend synthetic trains on noise; speed is all that this run can tell"
    for split in ("val", "test"):
        if not parts.split_sizes[split]:
            yield f"warning: the {split} split is empty; nothing is evaluated on it"


def run_record(parts: TrainingParts, trainer: Trainer, data: Data, started: str) -> RunRecord:
    """Return the record that opens a run.

    Args:
        parts: The built run.
        trainer: Knows where the run begins.
        data: The data set and what of it is used.
        started: Local time of the start, ISO 8601.
    """
    config, accelerator = parts.config, parts.accelerator
    num_parameters, num_trainable = parts.module.num_parameters()
    per_rank = config.train.batch_size // accelerator.num_processes
    trained = {"heads": "frozen", "all": "trained"}.get(config.model.train_from, f"trained from {config.model.train_from} on")
    weights = "random" if config.model.weights == "none" else config.model.weights
    return RunRecord(
        name=config.run.dir.resolve().name,
        started=started,
        resumed_epoch=trainer.position.epoch,
        resumed_step=trainer.position.step,
        tasks=parts.module.tasks,
        positive_rates=data.tasks.positive_rates(),
        drops_tasks=parts.scheduler.drops_tasks,
        scheduler=config.scheduler.name + (f" + {config.loss.balancer}" if config.loss.balancer != "none" else ""),
        model=f"{config.model.trunk} ({weights} weights, {trained}), heads on {', '.join(parts.module.trunk.taps)}",
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
        data=data.in_words(),
        features=_features(config, parts.module),
        versions={"python": platform.python_version(), "dropstream": tool_version()}
        | {name: version(name) for name in _libraries(config)}
        | {"dali": nvidia.dali.__version__},
    )


def _libraries(config: Config) -> tuple[str, ...]:
    return _LIBRARIES if config.loss.balancer == "none" else (*_LIBRARIES, "torchjd")


def _features(config: Config, module: MultitaskModel) -> str | None:
    if config.features.dir is None:
        return None
    mirrored = ", mirrored too" if config.features.mirrored else ""
    return f"{', '.join(module.trunk.taps)}, computed once, {str(feature_dtype(config)).removeprefix('torch.')}{mirrored}"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
