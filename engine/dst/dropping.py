"""What schedulers that drop tasks have in common: masks drawn from P."""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.chance import generator
from engine.dst.history import LossHistory
from engine.dst.scheduler import RunFacts

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


class TaskDropping(LossHistory, ABC):
    """Masks from P(k, t); a derived class says what P is.

    Arrays are handed out as copies: torch warns about those that cannot be written to.
    """

    drops_tasks = True

    def __init__(self, run: RunFacts, *, granularity: Literal["step", "epoch"]) -> None:
        """Begin with no epoch.

        Args:
            run: The run.
            granularity: Whether each step has its own draw, or all steps of an epoch share one.
        """
        super().__init__(run)
        self._seed = run.seed
        self._granularity = granularity
        # P changes once per epoch and a block of masks is used many times; two, for those who look back.
        self._known_probabilities = lru_cache(maxsize=2)(self._probabilities)
        self._known_masks = lru_cache(maxsize=2)(self._draw)

    def probabilities(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: P(k, t) of an epoch, from the epochs before it."""
        return self._known_probabilities(epoch).copy()

    def mask(self, epoch: int, step: int) -> NDArray[np.bool_]:
        """Return [T]: the tasks drawn for a step (or for the whole epoch, by configuration)."""
        block, row = divmod(step, BLOCK) if self._granularity == "step" else (0, 0)
        return self._known_masks(epoch, block)[row].copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, which with seed and configuration is all there is."""
        super().load_state_dict(state)
        self._known_probabilities.cache_clear()
        self._known_masks.cache_clear()

    def drops(self, epoch: int, num_steps: int) -> NDArray[np.int64]:
        """Return [T]: in how many of the epoch's steps each task is dropped."""
        if self._granularity == "epoch":
            return num_steps * ~self.mask(epoch, 0)
        return count_drops(self._known_probabilities(epoch), self._seed, epoch, num_steps)

    @abstractmethod
    def _probabilities(self, epoch: int) -> NDArray[np.float64]:
        """Return [T]: P(k, t), in (0, 1]; a ValueError if an epoch before it has not been observed."""

    def _draw(self, epoch: int, block: int) -> NDArray[np.bool_]:
        return draw_masks(self._known_probabilities(epoch), self._seed, epoch, block)
