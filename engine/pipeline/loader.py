"""An endless stream of batches that knows where it is."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Protocol

from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.batch import Batch
from engine.pipeline.fingerprint import check_fingerprint, fingerprint
from engine.pipeline.loading_plan import LoadingPlan
from shards.errors import CheckpointError


class Stream(Protocol):
    """What makes batches: threads, processes and memory that belong to one run through the order."""

    def next(self) -> Batch:
        """Return the next batch."""

    def close(self) -> None:
        """End whatever runs."""


OpenStream = Callable[[LoadingPlan, BadSamples, int], Stream]
"""Starts a stream at a batch, counted from the first of epoch 0. If that fails, nothing of it runs on."""


class Loader:
    """Batch after batch, epoch after epoch, from where it was told to start, without a stall between epochs.

    Nothing runs before the first batch is asked for. After an error the position is what it was: the next call tries the same batch again.
    """

    waiting_since: ClassVar[float | None] = None
    """When this process began to wait for a batch, in `time.monotonic`'s seconds; None while it does not."""

    def __init__(self, plan: LoadingPlan, open_stream: OpenStream) -> None:
        """Begin before the first batch of epoch 0.

        Args:
            plan: What to load.
            open_stream: The backend.
        """
        self.order = plan.order
        self.bad_samples = BadSamples(plan.dataset, budget=plan.config.bad_sample_budget())
        self._plan = plan
        self._open_stream = open_stream
        self._stream: Stream | None = None
        self._number = 0

    def __enter__(self) -> "Loader":
        """Return itself; the exit closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __iter__(self) -> "Loader":
        """Return itself."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch of the stream.

        Raises:
            DataError: A sample is damaged; the message names shard and key.
        """
        Loader.waiting_since = time.monotonic()
        try:
            if self._stream is None:
                self._stream = self._open_stream(self._plan, self.bad_samples, self._number)
            batch = self._stream.next()
        except BaseException:
            # Closing is no waiting: nothing may end it halfway.
            Loader.waiting_since = None
            # Share of a batch may be gone; only a new stream begins exactly here.
            self.close()
            raise
        finally:
            Loader.waiting_since = None
        self._number += 1
        return batch

    def close(self) -> None:
        """End all threads and processes and close the shards. The next batch that is asked for starts them again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def seek(self, epoch: int, step: int) -> None:
        """Go on with a certain batch.

        Args:
            epoch: Epoch, from 0.
            step: Step inside it, 0 to steps_per_epoch; the last means the beginning of the next epoch.
        """
        if epoch < 0 or not 0 <= step <= self.order.steps_per_epoch:
            raise ValueError(f"epoch {epoch}, step {step}: expected 0 or more, and 0 to {self.order.steps_per_epoch}")
        self.close()
        self._number = epoch * self.order.steps_per_epoch + step

    def state_dict(self) -> dict[str, Any]:
        """Return the position and what it belongs to, in plain JSON types."""
        epoch, step = divmod(self._number, self.order.steps_per_epoch)
        return {"epoch": epoch, "step": step, "fingerprint": dict(self.fingerprint)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another loader was.

        Raises:
            CheckpointError: Its batches were not these, and the message names each difference; or the state is damaged.
        """
        saved, position = state.get("fingerprint"), (state.get("epoch"), state.get("step"))
        if not isinstance(saved, dict) or any(type(value) is not int for value in position):
            raise CheckpointError("the loader's state is damaged: it has no epoch, step or fingerprint")
        check_fingerprint(self.fingerprint, saved, "the loader's state belongs to other batches", "restore what differs")
        try:
            self.seek(state["epoch"], state["step"])
        except ValueError as error:
            raise CheckpointError(f"the loader's state is damaged ({error})") from error

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """What decides the batches, name -> value in words."""
        return fingerprint(self._plan)
