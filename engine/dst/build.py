"""From configuration to scheduler."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from engine.config import SCHEDULERS, SchedulerConfig, scheduler_settings
from engine.dst.drop_balanced import DropBalanced
from engine.dst.dst import DroppedScheduledTask
from engine.dst.mtl import AllTasks
from engine.dst.random_drop import RandomDrop
from engine.dst.scheduler import RunFacts, Scheduler
from engine.dst.static import StaticWeights
from engine.dst.stl import SingleTask
from shards.errors import ConfigurationError, did_you_mean

_OURS: dict[str, Callable[..., Scheduler]] = {
    "dst": DroppedScheduledTask,
    "mtl": AllTasks,
    "stl": SingleTask,
    "random": RandomDrop,
    "drop_balanced": DropBalanced,
    "static": StaticWeights,
}
_CONTRACT = [name for name in ("drops_tasks", *vars(Scheduler)) if not name.startswith("_")]
_PARSERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}


def build_scheduler(config: SchedulerConfig, run: RunFacts) -> Scheduler:
    """Return the configured scheduler.

    Args:
        config: Name and settings.
        run: What it is told of the run.

    Raises:
        ConfigurationError: The scheduler cannot schedule these tasks; or it is no class that can be loaded, keeps no contract, or does not
            take these options.
        DataError: The records it is to learn from are damaged.
    """
    if config.name in SCHEDULERS:
        settings = {key: getattr(config, key) for key in scheduler_settings(config.name) if key != "count_of"}
        return _OURS[config.name](run, **settings)
    cls = own_class(config.name)
    return cls(run, **_options(config.name, cls, config.options))


def own_class(name: str) -> Callable[..., Scheduler]:
    """Return the class that `module:Class` names; the module may lie in the working folder.

    Raises:
        ConfigurationError: It cannot be loaded, or lacks a part of the contract.
    """
    module_name, _, class_name = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:
        raise ConfigurationError(
            f"scheduler.name {name}: cannot be loaded ({type(error).__name__}: {error}); the module has to lie in the working folder or "
            "on PYTHONPATH"
        ) from error
    missing = [part for part in _CONTRACT if not hasattr(cls, part)]
    if not inspect.isclass(cls) or missing:
        lacks = f"lacks {', '.join(missing)}" if inspect.isclass(cls) else "is no class"
        raise ConfigurationError(f"scheduler.name {name}: {lacks}; see the contract in engine/dst/scheduler.py, or derive from LossHistory")
    return cast("Callable[..., Scheduler]", cls)


def code_of(name: str) -> str | None:
    """Return a hash of the code of a scheduler of the user's own: a run goes on under the same one only. None for ours."""
    if name in SCHEDULERS:
        return None
    return hashlib.sha256(inspect.getsource(own_class(name)).encode()).hexdigest()[:16]


def _options(name: str, cls: Callable[..., Scheduler], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the options as the class's constructor wants them."""
    # All but the first, which is the run's facts.
    known = dict(list(inspect.signature(cls).parameters.items())[1:])
    for key in given:
        if key not in known:
            raise ConfigurationError(f"scheduler.options names {key!r}, which {name} does not take{did_you_mean(key, known)}")
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in given:
            raise ConfigurationError(f"scheduler.options lacks {key!r}, which {name} needs")
    return {key: _parsed(name, key, text, known[key].annotation) for key, text in given.items()}


def _parsed(name: str, key: str, text: str, annotation: object) -> object:
    # A name where annotations are not evaluated; none at all means text.
    wanted = "str" if annotation is inspect.Parameter.empty else getattr(annotation, "__name__", annotation)
    if not isinstance(wanted, str) or wanted not in _PARSERS:
        raise ConfigurationError(f"scheduler.options {key}: {name} annotates it as {annotation}, expected int, float, bool or str")
    try:
        return _PARSERS[wanted](text)
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"scheduler.options {key} is {text!r}, expected {wanted}") from error
