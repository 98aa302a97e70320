"""Refuses a balancer that a run has no use for, before anything is computed."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from engine.config import ALL_TASK_BALANCERS, GRADIENT_BALANCERS, Config
from engine.loop.balance.shared import lone_tasks
from engine.model.trunk import StagedTrunk
from shards.errors import ConfigurationError

_SOLVERS = {
    "torchjd.cagrad": ("cvxpy", "clarabel"),
    "torchjd.upgrad": ("qpsolvers", "quadprog"),
    "torchjd.nash_mtl": ("cvxpy", "ecos"),
}
"""Balancer -> what it needs besides TorchJD."""


def check_balancer(config: Config, tasks: Sequence[str], *, num_missing: Sequence[int], world_size: int) -> None:
    """Refuse what only libraries, data and ranks can show to be wrong.

    Args:
        config: The resolved configuration.
        tasks: Task names, in label order.
        num_missing: [T] training samples without a label.
        world_size: Number of ranks.

    Raises:
        ConfigurationError: A library is missing, or the balancer cannot balance this run.
    """
    name = config.loss.balancer
    if name == "none":
        return
    check_libraries(name)
    if len(tasks) < 2:
        raise ConfigurationError(f"loss.balancer {name} has no effect with one task; leave it out")
    if name in ALL_TASK_BALANCERS:
        _check_labels(name, tasks, num_missing)
    if name in (*GRADIENT_BALANCERS, "torchjd.famo"):
        _check_parts(name, config.train.micro_batch_size, config.train.batch_size // world_size)


def check_sharing(config: Config, trunk: StagedTrunk, tasks: Sequence[str]) -> None:
    """Refuse to balance gradients of tasks that share nothing.

    Args:
        config: The resolved configuration.
        trunk: The trunk.
        tasks: Task names, in label order.

    Raises:
        ConfigurationError: A task shares no trained layer with another.
    """
    name = config.loss.balancer
    lone = lone_tasks(config.model, trunk, tasks) if name in GRADIENT_BALANCERS else []
    if lone:
        raise ConfigurationError(
            f"loss.balancer {name} balances gradients of trained layers that tasks share, and {', '.join(lone)} shares none with another "
            "task; see model.hidden, model.task_taps, model.task_hidden and model.train_from"
        )


def check_libraries(name: str) -> None:
    """Raise a ConfigurationError if a balancer's libraries are not installed."""
    if name == "none":
        return
    missing = [library for library in ("torchjd", *_SOLVERS.get(name, ())) if find_spec(library) is None]
    if missing == ["ecos"] and sys.version_info >= (3, 13):
        raise ConfigurationError(f"loss.balancer {name} needs the solver ECOS, which has no package for Python 3.13; use Python 3.12")
    if missing:
        raise ConfigurationError(f"loss.balancer {name} needs TorchJD: pip install -e '.[balance]' (missing: {', '.join(missing)})")


def _check_labels(name: str, tasks: Sequence[str], num_missing: Sequence[int]) -> None:
    for task, count in zip(tasks, num_missing, strict=True):
        if count:
            raise ConfigurationError(
                f"loss.balancer {name} needs every task in every step, and {count} training samples have no label of {task}; leave that "
                "task out, or use another balancer"
            )


def _check_parts(name: str, micro: int | None, share: int) -> None:
    if micro is not None and micro < share:
        raise ConfigurationError(
            f"loss.balancer {name} cannot train a batch in parts: how it weighs the tasks depends on the whole of it; "
            f"train.micro_batch_size is {micro}, expected at least {share}, a process's share; or leave it out"
        )
