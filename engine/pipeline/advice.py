"""Telling the kernel what will be read, so that it is fetched from the disk meanwhile: the order is known."""

from collections import deque

import numpy as np

from engine.pipeline.plan import Plan
from engine.pipeline.source import ByteSource

ADVISE_STEPS = 16
"""How many batches before its turn a batch's bytes are asked for: a second or so of training."""


class Advice:
    """Asks for samples a few batches before their turn, or, where the order has windows of shards, for whole shards one window before."""

    def __init__(self, plan: Plan, source: ByteSource) -> None:
        """Begin with nothing asked for.

        Args:
            plan: Tells what will be read.
            source: Passes the advice on.
        """
        self._plan = plan
        self._source = source
        self._next: int | None = None
        # Shards of this window, the next, and, where an epoch ends in a small window, the one after it.
        self._asked: deque[int] = deque(maxlen=3 * (plan.order.window_shards or 1))
        self._lead = plan.order.steps_per_window() or ADVISE_STEPS

    def give(self, number: int) -> None:
        """Ask for everything up to some batches after this one that was not asked for yet.

        Args:
            number: The batch that is read now, counted from the first of epoch 0; one more with every call.
        """
        begin = number if self._next is None else self._next
        self._next = number + self._lead + 1
        for ahead in range(begin, self._next):
            ids = self._plan.slice(ahead).ids
            if self._plan.order.shuffle == "window":
                self._ask_for_shards(np.unique(self._plan.dataset.index[ids]["shard"]).tolist())
            else:
                self._source.advise(ids)

    def _ask_for_shards(self, shards: list[int]) -> None:
        for shard in shards:
            if shard not in self._asked:
                self._asked.append(shard)
                self._source.advise_shard(shard)
