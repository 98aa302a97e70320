"""From configuration to optimiser."""

import torch

from engine.config import OptimizerConfig
from engine.model.multitask import MultitaskModel

SGD_MOMENTUM = 0.9


def build_optimizer(config: OptimizerConfig, module: MultitaskModel) -> torch.optim.Optimizer:
    """Return the optimiser of everything that is trained: group 0 is heads and hidden layers, group 1 the trunk's trained part, if any."""
    trunk = [parameter for parameter in module.trunk.parameters() if parameter.requires_grad]
    known = set(map(id, module.trunk.parameters()))
    heads = [parameter for parameter in module.parameters() if parameter.requires_grad and id(parameter) not in known]
    groups = [{"params": heads, "lr": config.lr}] + ([{"params": trunk, "lr": config.trunk_lr or config.lr}] if trunk else [])
    if config.name == "sgd":
        # Not fused: that one fails on, or never initialises, the momentum of a head that was dropped in the first step.
        return torch.optim.SGD(groups, momentum=SGD_MOMENTUM, weight_decay=config.weight_decay)
    build = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.name]
    return build(groups, weight_decay=config.weight_decay, fused=True)
