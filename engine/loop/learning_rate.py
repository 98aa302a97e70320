"""Learning rate as a pure function of the step: nothing to save, nothing to restore."""

import math

from engine.config import OptimizerConfig


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
