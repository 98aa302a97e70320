"""From probabilities to the tasks of one step."""

import numpy as np
from numpy.typing import NDArray

from engine.chance import generator


def draw_mask(probabilities: NDArray[np.float64], seed: int, epoch: int, step: int) -> NDArray[np.bool_]:
    """Draw which tasks are trained: one Bernoulli draw per task, the same on every rank and in every repetition.

    If all draws come out 0, one task is kept, drawn with probability proportional to P: a step without a task would be wasted.

    Args:
        probabilities: [T] in (0, 1].
        seed: The run's seed.
        epoch: Epoch, from 0.
        step: Step, from 0; pass 0 throughout to draw once per epoch.

    Returns:
        [T] bool, at least one True.
    """
    chance = generator(seed, "mask", epoch, step)
    mask = chance.random(len(probabilities)) < probabilities
    # Drawn in any case, so that the stream does not depend on the outcome.
    fallback = chance.choice(len(probabilities), p=probabilities / probabilities.sum())
    if not mask.any():
        mask[fallback] = True
    return mask
