"""What schedulers that drop tasks have in common: masks drawn from P."""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.dst.draw import BLOCK, count_drops, draw_masks
from engine.dst.history import LossHistory
from engine.dst.scheduler import RunFacts


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
