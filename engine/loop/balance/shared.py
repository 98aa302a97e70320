"""Which trained layers several tasks have in common."""

from collections.abc import Sequence

from torch import nn

from engine.config import ModelConfig
from engine.model.readout import TaskReadout
from engine.model.trunk import StagedTrunk


def shared_parameters(config: ModelConfig, trunk: StagedTrunk, readout: TaskReadout, tasks: Sequence[str]) -> list[nn.Parameter]:
    """Return the trained parameters that more than one task reads through.

    Args:
        config: Model settings.
        trunk: The trunk up to the deepest tap.
        readout: What reads the taps.
        tasks: Task names, in label order.
    """
    places = sorted(_places(config, trunk, tasks).values())
    # The last stage that two tasks read through.
    last = places[-2] if len(places) > 1 else -1
    stages = [parameter for stage in list(trunk.stages.values())[: last + 1] for parameter in stage.parameters()]
    hidden = list(readout.shared.parameters()) if readout.shared is not None and len(_together(config, tasks)) > 1 else []
    return [parameter for parameter in (*stages, *hidden) if parameter.requires_grad]


def lone_tasks(config: ModelConfig, trunk: StagedTrunk, tasks: Sequence[str]) -> list[str]:
    """Return the tasks that share no trained layer with another; arguments as for `shared_parameters`."""
    together = _together(config, tasks) if config.hidden else []
    trained = [number for number, stage in enumerate(trunk.stages.values()) if any(weight.requires_grad for weight in stage.parameters())]
    above = [task for task, place in _places(config, trunk, tasks).items() if trained and place >= trained[0]]
    sharing = {task for group in (together, above) if len(group) > 1 for task in group}
    return [task for task in tasks if task not in sharing]


def _together(config: ModelConfig, tasks: Sequence[str]) -> list[str]:
    """Return the tasks whose heads read the same hidden layers."""
    return [task for task in tasks if task not in config.task_taps and task not in config.task_hidden]


def _places(config: ModelConfig, trunk: StagedTrunk, tasks: Sequence[str]) -> dict[str, int]:
    """Return task -> place of its tap among the trunk's stages."""
    stages = list(trunk.stages)
    return {task: stages.index(config.task_taps.get(task, config.tap)) for task in tasks}
