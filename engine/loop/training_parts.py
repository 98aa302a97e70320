"""What a training run is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from engine.config import Config
from engine.dst.scheduler import Scheduler
from engine.loop.balance.balancer import Balancer
from engine.loop.task_gradients import TaskGradients
from engine.loop.thresholds import Thresholds
from engine.model.multitask import MultitaskModel
from engine.pipeline.loader import Loader


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingParts:
    """The built parts of a run, as the loop needs them."""

    config: Config
    """The resolved configuration."""
    identity: dict[str, str]
    """Names of everything that decides the result -> its value in words; a checkpoint of another identity is refused."""
    accelerator: Accelerator
    """Devices, ranks, precision."""
    module: MultitaskModel
    """The model itself."""
    model: nn.Module
    """The model as prepared for devices, ranks and precision; only its readout where the batches hold features."""
    raw_optimizer: torch.optim.Optimizer
    """The optimiser itself; group 0 holds the heads."""
    optimizer: torch.optim.Optimizer
    """The optimiser as prepared."""
    scheduler: Scheduler
    """Decides which tasks are trained."""
    gradients: TaskGradients
    """Tells the scheduler of the tasks' gradients."""
    balancer: Balancer | None
    """Weighs the tasks that are trained against one another; None for the step loss itself."""
    pos_weight: Tensor | None
    """[T] weight of each task's positives, on the device."""
    majority: tuple[bool, ...]
    """Per task, whether the training split's more frequent class is 1."""
    thresholds: Thresholds
    """Above which probability a task is answered "present"."""
    split_sizes: dict[str, int]
    """Samples per split."""
    make_loader: Callable[[str], Loader]
    """Split -> loader that begins at its first batch."""
    key_of: Callable[[int], str]
    """Sample id -> its key."""
    run_dir: Path
    """The run's folder."""
