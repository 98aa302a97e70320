"""`tools/benchmark step`: what a training step from cached features costs, and how much of it is the scheduler's."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table

from engine.config import DEFAULT_TASKS, ModelConfig, SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.scheduler import RunFacts, Scheduler
from engine.loop.features.stream import FeatureBatch
from engine.loop.step import TrainStep
from engine.model.readout import TaskReadout
from shards.errors import ConfigurationError
from tools.benchmarks.result import write_result

Name = Literal["mtl", "dst", "random", "drop_balanced", "static"]
_NAMES: tuple[Name, ...] = get_args(Name)
_LOGITS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBenchmark:
    """Time training steps from features that are there already: 1000 logits, 64 hidden units, eight tasks, Adam."""

    batch_size: int = 128
    """Samples in a step."""
    steps: int = 500
    """Steps per round and scheduler."""
    repeats: int = 3
    """Rounds."""
    json: Path = Path("data/benchmark/step.json")
    """File for the figures."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("batch_size", "steps", "repeats"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCost:
    """What a step costs under one scheduler."""

    step_us: float
    """The whole step, mask included, in microseconds."""
    scheduler_us: float
    """The mask alone, in steps one after the other."""
    epoch_us: float
    """What the scheduler does once per epoch: observing losses, the next P and its first masks."""

    def share(self, steps_per_epoch: int) -> float:
        """Return the scheduler's share of a step, 0 to 1, in epochs of that many steps."""
        return (self.scheduler_us + self.epoch_us / steps_per_epoch) / self.step_us


def benchmark_step(options: StepBenchmark) -> None:
    """Measure in turns, print a table and write the figures."""
    rounds: dict[Name, list[StepCost]] = {name: [] for name in _NAMES}
    for _ in range(options.repeats):
        for name in _NAMES:
            rounds[name].append(_measure(options, name))
    costs = {
        name: StepCost(**{field: statistics.median(getattr(cost, field) for cost in found) for field in StepCost.__dataclass_fields__})
        for name, found in rounds.items()
    }
    _print(options, costs)
    figures = {name: asdict(cost) | {"share": cost.share(options.steps)} for name, cost in costs.items()}
    write_result(options.json, {"batch_size": options.batch_size, "steps": options.steps, "schedulers": figures}, ("torch", "accelerate"))


def _measure(options: StepBenchmark, name: Name) -> StepCost:
    accelerator = Accelerator()
    scheduler, step, batch = _scheduler(name, options.steps), _step(accelerator), _batch(options.batch_size, accelerator.device)
    factors = scheduler.loss_weights(0)
    weights = None if (factors == 1).all() else torch.from_numpy(factors).float()
    for number in range(20):
        step(batch, scheduler.mask(0, number), weights)
    started = time.perf_counter()
    for number in range(options.steps):
        step(batch, scheduler.mask(0, number), weights)
    whole = (time.perf_counter() - started) / options.steps
    alone = _seconds(lambda: [scheduler.mask(0, number) for number in range(options.steps)]) / options.steps
    return StepCost(step_us=1e6 * whole, scheduler_us=1e6 * alone, epoch_us=1e6 * _seconds(lambda: _next_epoch(scheduler)))


def _next_epoch(scheduler: Scheduler) -> None:
    scheduler.observe(0, np.linspace(0.4, 0.6, len(DEFAULT_TASKS)).tolist())
    scheduler.probabilities(1)
    scheduler.mask(1, 0)


def _scheduler(name: Name, steps: int) -> Scheduler:
    weights = dict.fromkeys(DEFAULT_TASKS, 0.9) if name == "static" else {}
    config = SchedulerConfig(name=name, weights=weights)
    run = RunFacts(tasks=DEFAULT_TASKS, depths=(18,) * 8, counts=(1000,) * 8, seed=0, steps_per_epoch=steps)
    return build_scheduler(config, run)


def _step(accelerator: Accelerator) -> TrainStep:
    readout = TaskReadout(ModelConfig(tap="logits"), DEFAULT_TASKS, lambda _: _LOGITS, seed=0)
    model, optimizer = accelerator.prepare(readout, torch.optim.Adam(readout.parameters(), fused=True))
    return TrainStep(accelerator, model, readout.heads, optimizer)


def _batch(size: int, device: torch.device) -> FeatureBatch:
    generator = torch.Generator().manual_seed(0)
    num_tasks = len(DEFAULT_TASKS)
    return FeatureBatch(
        images=torch.empty(size, 3, 0, 0),
        features={"logits": torch.randn(size, _LOGITS, generator=generator).to(device)},
        labels=torch.randint(0, 2, (size, num_tasks), generator=generator, dtype=torch.int8).to(device),
        ids=torch.arange(size),
        num_valid=size,
        num_skipped=0,
        num_labelled=torch.full((num_tasks,), float(size), device=device),
        has_labels=np.ones(num_tasks, np.bool_),
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _print(options: StepBenchmark, costs: Mapping[Name, StepCost]) -> None:
    title = (
        f"steps of {options.batch_size} samples from cached logits, medians of {options.repeats} rounds of {options.steps} steps in turn"
    )
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("scheduler", "step, us", "samples/s", "mask, us", "per epoch, us", "share of a step"):
        table.add_column(column, justify="right" if column != "scheduler" else "left", no_wrap=True)
    for name, cost in costs.items():
        rate = 1e6 * options.batch_size / cost.step_us
        share = f"{100 * cost.share(options.steps):.2f} %"
        table.add_row(name, f"{cost.step_us:,.0f}", f"{rate:,.0f}", f"{cost.scheduler_us:.2f}", f"{cost.epoch_us:,.0f}", share)
    Console(highlight=False).print(table)
