"""Checkpoints, whose checksums are made anew, and what a run takes out of them; files of weights."""

import contextlib
import hashlib
import io
import json
import shutil
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import save
from torch import nn

from engine.config import SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.scheduler import RunFacts
from engine.loop.balance.dwa import DynamicWeightAverage
from engine.loop.balance.famo import Famo
from engine.loop.checkpoint import CHECKSUMS
from engine.loop.restore import restore
from engine.loop.state import Position, take_snapshot
from engine.loop.tally import EpochTally
from engine.loop.thresholds import Thresholds
from engine.loop.training_parts import TrainingParts
from engine.model.multitask import MultitaskModel
from engine.model.weights import _read
from tests.fuzz.mutate import any_bytes, json_text, near_signatures, one_of, safetensors
from tests.fuzz.target import Target, in_parts, join, split, work_folder, written

_TASKS = ("Bald", "Male")
_EPOCHS, _STEPS = 3, 4
_SCHEDULERS = (
    SchedulerConfig(name="dst"),
    SchedulerConfig(name="drop_balanced"),
    SchedulerConfig(name="static", weights={"Bald": 0.5, "Male": 1.0}),
    SchedulerConfig(name="mtl"),
)
_FILES = ("state.json", "model.safetensors", "optimizer.safetensors", "balancer.safetensors")


class _Accelerator(Accelerator):
    """As much of one as a checkpoint is concerned with, on one rank."""

    device = torch.device("cpu")
    num_processes, process_index, is_main_process = 1, 0, True

    def __init__(self, scaler: torch.amp.GradScaler | None) -> None:
        self.scaler = scaler

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def reduce(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


class _Model(MultitaskModel):
    """As much of a model as a checkpoint is concerned with."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.head = nn.Linear(2, len(_TASKS))
        self.norm = nn.BatchNorm1d(2)

    def statistics(self) -> dict[str, torch.Tensor]:
        return dict(self.named_buffers())


class _Parts(TrainingParts):
    """Those parts of a run that have a state."""

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def _parts(choice: int) -> _Parts:
    """Return the parts of a run that have a state; the bits choose scheduler, optimiser, balancer and whether losses are scaled."""
    accelerator = _Accelerator(torch.amp.GradScaler("cpu") if choice & 32 else None)
    module = _Model()
    # As the engine builds them.
    options = {"momentum": 0.9} if choice & 4 else {"fused": True}
    optimizer = (torch.optim.SGD if choice & 4 else torch.optim.Adam)(module.parameters(), lr=0.1, **options)
    balancer = None
    if choice & 8:
        balancer = (
            DynamicWeightAverage(accelerator, len(_TASKS))
            if choice & 16
            else Famo(accelerator, len(_TASKS), buffers=[], repeat_chance=None)
        )
    facts = RunFacts(tasks=_TASKS, depths=(3, 3), counts=(10, 10), seed=0, steps_per_epoch=_STEPS)
    return _Parts(
        config=SimpleNamespace(train=SimpleNamespace(epochs=_EPOCHS)),
        identity={"data": "of a test"},
        accelerator=accelerator,
        module=module,
        raw_optimizer=optimizer,
        scheduler=build_scheduler(_SCHEDULERS[choice % 4], facts),
        thresholds=Thresholds(len(_TASKS), "val"),
        balancer=balancer,
    )


def _tally() -> EpochTally:
    return EpochTally(len(_TASKS), 1, torch.device("cpu"))


def _train(parts: _Parts) -> None:
    parts.module.head(parts.module.norm(torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))).sum().backward()
    parts.raw_optimizer.step()


@cache
def _checkpoints() -> list[bytes]:
    made = []
    for choice in (0, 1, 2, 3, 4, 8, 24, 32):
        parts = _parts(choice)
        _train(parts)
        parts.scheduler.observe(0, (0.5, 0.25))
        if parts.balancer is not None:
            parts.balancer.observe((0.5, 0.25))
        snapshot = take_snapshot(parts, Position(epoch=1, step=2), _tally())
        tensors = [save(snapshot.tensors[name]) if name in snapshot.tensors else b"" for name in ("model", "optimizer", "balancer")]
        made.append(join([bytes([choice]), b"{}", json.dumps(snapshot.state).encode(), *tensors]))
    return made


def _restore(data: bytes) -> None:
    folder = work_folder() / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    choice, checksums, *contents = split(data, 2 + len(_FILES))
    files = {name: content for name, content in zip(_FILES, contents, strict=True) if content}
    for name, content in files.items():
        written(f"checkpoint/{name}", content)
    sealed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        checksums = json.dumps(sealed | json.loads(checksums)).encode()
    written(f"checkpoint/{CHECKSUMS}", checksums)
    parts, tally = _parts(choice[0] if choice else 0), _tally()
    position = restore(parts, folder, tally)
    # What training does next.
    parts.scheduler.probabilities(position.epoch)
    parts.scheduler.mask(position.epoch, position.step)
    _train(parts)
    with np.errstate(all="ignore"):
        if tally.num_steps:
            tally.means(tally.sums)


def _weights(data: bytes) -> None:
    _read(written("weights", data), "model.weights weights:")


def _states() -> list[bytes]:
    state = {"features.0.weight": torch.ones(64, 3, 3, 3)[:1], "features.0.bias": torch.zeros(1), "classifier.6.weight": torch.ones(2, 3)}
    zipped, old = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, zipped)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    return [save(state), zipped.getvalue(), old.getvalue()]


TARGETS = {
    "checkpoint": Target(
        run=_restore,
        seeds=_checkpoints,
        mutate=in_parts(any_bytes, json_text, json_text, safetensors, safetensors, safetensors),
        rehearsals=250,
    ),
    "weights": Target(run=_weights, seeds=_states, mutate=one_of(safetensors, near_signatures), rehearsals=100),
}
