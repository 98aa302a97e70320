"""From configuration to optimiser, and its learning rate as a pure function of the step: nothing to save, nothing to restore."""

import math

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


def learning_rate_factor(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """Return the factor on the base learning rate for one step.

    Args:
        config: Schedule and warm-up.
        step: Optimiser step of the run, from 0.
        num_steps: Optimiser steps the whole run is to have.

    >>> config = OptimizerConfig(schedule="cosine", warmup_steps=2)
    >>> [round(learning_rate_factor(config, step, 6), 3) for step in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    done = (step - config.warmup_steps) / max(1, num_steps - config.warmup_steps)
    return (1 + math.cos(math.pi * done)) / 2
