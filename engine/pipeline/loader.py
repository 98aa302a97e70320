"""An endless stream of batches, from whichever backend makes the images."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.batch import Batch, send
from engine.pipeline.fingerprint import check_fingerprint, fingerprint
from engine.pipeline.plan import Plan
from shards.annotations import NOT_LABELLED
from shards.errors import CheckpointError


class Loader(ABC):
    """Batch after batch, epoch after epoch, from where it was told to start, without a stall between epochs.

    A backend makes the images; order, labels, counts and position are the same for all. Nothing runs before the first batch is asked for.
    """

    def __init__(self, plan: Plan) -> None:
        """Begin before the first batch of epoch 0.

        Args:
            plan: What to load.
        """
        self.order = plan.order
        self._plan = plan
        self.bad_samples = BadSamples(plan.dataset, budget=plan.config.bad_sample_budget())
        self._number = 0
        self._running = False
        self._resources = ExitStack()

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
        if not self._running:
            # Before the start: should it fail half-way, `close` ends what it began.
            self._running = True
            self._start(self._number)
        epoch, step = divmod(self._number, self.order.steps_per_epoch)
        images, bad = self._next_images()
        ids, part = self.order.batch(epoch, step), self._plan.slice(self._number)
        self._number += 1
        labels = self._labels(part.ids)
        labels[part.num_valid :] = NOT_LABELLED
        labels[bad] = NOT_LABELLED
        device = self._plan.place.device
        return Batch(
            images=images,
            labels=send(labels, device),
            ids=torch.from_numpy(part.ids),
            num_valid=part.num_valid,
            num_skipped=sum(place < part.num_valid for place in bad),
            num_labelled=send((self._labels(ids) >= 0).sum(0, dtype=np.float32), device),
        )

    def close(self) -> None:
        """End all threads and processes and close the shards. The next batch that is asked for starts them again."""
        self._running = False
        self._resources.close()

    def seek(self, epoch: int, step: int) -> None:
        """Go on with a certain batch.

        Args:
            epoch: Epoch, from 0.
            step: Step inside it; as many as there are means the beginning of the next one.
        """
        self.close()
        self._number = epoch * self.order.steps_per_epoch + step

    def state_dict(self) -> dict[str, Any]:
        """Return the position and what it belongs to, in plain JSON types."""
        epoch, step = divmod(self._number, self.order.steps_per_epoch)
        return {"epoch": epoch, "step": step, "fingerprint": self.fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another loader was.

        Raises:
            CheckpointError: Its batches were not these; the message names each difference.
        """
        try:
            epoch, step, saved = int(state["epoch"]), int(state["step"]), dict(state["fingerprint"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the loader's state is damaged ({error!r})") from error
        check_fingerprint(self.fingerprint(), saved, "loader's state belongs to other batches", "restore what differs")
        self.seek(epoch, step)

    def fingerprint(self) -> dict[str, str]:
        """Return what decides the batches, name -> value in words."""
        return fingerprint(self._plan.dataset, self.order, self._plan.config, self._plan.augment)

    @abstractmethod
    def _start(self, number: int) -> None:
        """Begin to make batches, from this one on, counted from the first of epoch 0.

        Whatever has to be ended is given to `self._resources` as soon as it is there.
        """

    @abstractmethod
    def _next_images(self) -> tuple[torch.Tensor, list[int]]:
        """Return the next batch's images, and the places in it that hold no sample because it is damaged."""

    def _labels(self, ids: NDArray[np.int64]) -> NDArray[np.int8]:
        # Row by row from the mapped table: a copy of a split's labels would grow with the data set.
        return np.ascontiguousarray(self._plan.dataset.labels[ids][:, self._plan.columns])
