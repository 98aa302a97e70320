"""From probabilities to the tasks of each step."""

import numpy as np
from numpy.typing import NDArray

from engine.chance import generator

BLOCK = 1024
"""Steps that are drawn together: making a generator takes longer than drawing from it."""


def draw_masks(probabilities: NDArray[np.float64], seed: int, epoch: int, block: int) -> NDArray[np.bool_]:
    """Draw which tasks are trained in the steps of a block: the same on every rank and in every repetition.

    Each step has T + 1 uniform numbers of its own. The first T are compared with P, a Bernoulli draw per task. If all come out 0 the last
    one picks a task in proportion to P: a step without a task would be wasted. So a task is trained in a share
    P + Π(1 - P) · P / ΣP of the steps.

    Args:
        probabilities: [T] in (0, 1].
        seed: The run's seed.
        epoch: Epoch, from 0.
        block: Number of the block inside the epoch, from 0: steps block · BLOCK to (block + 1) · BLOCK - 1.

    Returns:
        [BLOCK, T] bool, at least one True in each row.
    """
    uniform = generator(seed, "mask", epoch, block).random((BLOCK, len(probabilities) + 1))
    masks = uniform[:, :-1] < probabilities
    (empty,) = np.nonzero(~masks.any(1))
    cumulative = probabilities.cumsum()
    # A uniform number is below 1 by at least the rounding of the product: the last task is never exceeded.
    masks[empty, np.searchsorted(cumulative, uniform[empty, -1] * cumulative[-1], side="right")] = True
    return masks


def count_drops(probabilities: NDArray[np.float64], seed: int, epoch: int, num_steps: int) -> NDArray[np.int64]:
    """Return [T]: in how many of an epoch's first `num_steps` steps each task was dropped, with masks drawn per step."""
    drops = np.zeros(len(probabilities), np.int64)
    for block in range(-(-num_steps // BLOCK)):
        masks = draw_masks(probabilities, seed, epoch, block)[: num_steps - block * BLOCK]
        drops += len(masks) - masks.sum(0)
    return drops
