"""Telling the kernel what will be read, so that it is fetched from the disk meanwhile: the order is known."""

from collections import deque

from engine.pipeline.loading_plan import LoadingPlan
from engine.pipeline.source import ByteSource

ADVISE_STEPS = 16
"""How many batches before its turn a batch's bytes are asked for: a second or so of training."""
_SHARDS_PER_STEP = 2
"""Whole shards are asked for a few at a time: a window has many steps, and reading must not wait for the asking."""


class Advice:
    """Asks for samples a few batches before their turn, or, where the order has windows of shards, for whole shards one window before."""

    def __init__(self, plan: LoadingPlan, source: ByteSource, number: int) -> None:
        """Begin with nothing asked for.

        Args:
            plan: Tells what will be read.
            source: Passes the advice on.
            number: The first batch that will be read, counted from the first of epoch 0.
        """
        self._plan = plan
        self._source = source
        self._next = number + 1
        self._window: tuple[int, int] | None = None
        self._shards: deque[int] = deque()
        # Of a selection a shard may hold a few samples only: they are asked for one by one.
        self._whole_shards = plan.order.shuffle == "window" and isinstance(plan.order.ids, range)

    def give(self, number: int) -> None:
        """Ask for what was not asked for yet.

        Args:
            number: The batch that has been read; one more with every call.
        """
        if self._whole_shards:
            self._give_shards(number)
            return
        for ahead in range(self._next, number + ADVISE_STEPS + 1):
            epoch, step = divmod(ahead, self._plan.order.steps_per_epoch)
            place = self._plan.place
            self._source.advise(self._plan.order.rank_slice(epoch, step, place.rank, place.world_size).ids)
        self._next = number + ADVISE_STEPS + 1

    def _give_shards(self, number: int) -> None:
        order = self._plan.order
        epoch, step = divmod(number, order.steps_per_epoch)
        window, num_windows = order.window(epoch, step)
        if self._window is None:
            self._queue(epoch, window)
        if self._window != (epoch, window):
            self._window = epoch, window
            # Where windows have a step or two only, what could not be asked for in time has been read by now.
            while len(self._shards) > (order.window_shards or 0):
                self._shards.popleft()
            self._queue(*((epoch, window + 1) if window + 1 < num_windows else (epoch + 1, 0)))
        for _ in range(min(_SHARDS_PER_STEP, len(self._shards))):
            self._source.advise_shard(self._shards.popleft())

    def _queue(self, epoch: int, window: int) -> None:
        ids = self._plan.order.shards_of_window(epoch, window)
        self._shards += self._plan.dataset.index[ids]["shard"].tolist()
