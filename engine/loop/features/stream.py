"""Batches of features instead of images, in the same order and with the same labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.loop.features.table import FeatureTable
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.batch import Batch, send
from engine.pipeline.loading_plan import LoadingPlan
from shards.annotations import NOT_LABELLED


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureBatch(Batch):
    """A batch whose samples are what the trunk sees of them; `images` is empty."""

    features: Mapping[str, Tensor]
    """Tap -> [batch, width]."""

    @property
    def inputs(self) -> Any:  # noqa: ANN401 (what a readout takes, instead of images)
        """What the model's readout takes."""
        return self.features

    def split(self, size: int) -> Iterator[tuple[Any, Tensor]]:
        """Yield features and labels of up to `size` slots at a time."""
        for first in range(0, len(self), size):
            part = slice(first, first + size)
            yield {tap: value[part] for tap, value in self.features.items()}, self.labels[part]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Epoch:
    """All that Python has to do for an epoch, done at once; what a step takes are views and one gather."""

    ids: Tensor
    """[steps * batch] on the CPU, padded."""
    rows: Tensor
    """[steps * batch] where the features are."""
    labels: Tensor
    """[steps * batch, T] int8 on the device."""
    num_labelled: Tensor
    """[steps, T] on the device."""
    has_labels: NDArray[np.bool_]
    """[steps, T]."""
    skipped: NDArray[np.bool_]
    """[steps * batch]."""


class FeatureStream:
    """Endless batches from a table; nothing of it runs beside the loop."""

    def __init__(self, table: FeatureTable, plan: LoadingPlan, bad_samples: BadSamples, number: int) -> None:
        """Begin at a batch.

        Args:
            table: The features.
            plan: What to load.
            bad_samples: Takes the damaged samples that the order holds.
            number: First batch, counted from the first of epoch 0.
        """
        self._table, self._plan, self._number = table, plan, number
        self._epoch: tuple[int, _Epoch] | None = None
        self._places = torch.device("cpu") if not table.values else next(iter(table.values.values())).device
        for sample in sorted(set(table.bad) & set(np.asarray(plan.order.ids).tolist()) if table.bad else ()):
            bad_samples.add(sample, table.bad[sample])
        self._bad = np.array(sorted(bad_samples.reasons), np.int64)

    def next(self) -> FeatureBatch:
        """Return the next batch."""
        plan = self._plan
        epoch, step = divmod(self._number, plan.order.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, self._prepare(epoch)
        known, size, length = self._epoch[1], plan.order.batch_size, plan.num_images()
        first = step * size + plan.place.rank * length
        own = slice(first, first + length)
        num_valid = min(max(min(len(plan.order.ids), (step + 1) * size) - first, 0), length)
        batch = FeatureBatch(
            images=torch.empty(length, 3, 0, 0),
            features=self._table.take(known.rows[own], self._mirror(epoch, step)),
            labels=known.labels[own],
            ids=known.ids[own],
            num_valid=num_valid,
            num_skipped=int(known.skipped[first : first + num_valid].sum()) if len(self._bad) else 0,
            num_labelled=known.num_labelled[step],
            has_labels=known.has_labels[step],
        )
        self._number += 1
        return batch

    def close(self) -> None:
        """Nothing runs."""

    def _prepare(self, epoch: int) -> _Epoch:
        plan, size = self._plan, self._plan.order.batch_size
        ids = plan.order.epoch(epoch)
        steps = plan.order.steps_per_epoch
        labels = plan.labels(ids)
        padding = steps * size - len(ids)
        labels = np.concatenate([labels, np.full((padding, labels.shape[1]), NOT_LABELLED, np.int8)])
        ids = np.concatenate([ids, np.full(padding, ids[-1])])
        num_labelled = (labels >= 0).reshape(steps, size, -1).sum(1, dtype=np.float32)
        skipped = np.isin(ids, self._bad)
        # Only now: damaged samples count as labelled, as they do where only one rank meets them.
        labels[skipped] = NOT_LABELLED
        return _Epoch(
            ids=torch.from_numpy(ids),
            rows=send(self._table.rows_of(ids), self._places),
            labels=send(labels, plan.place.device),
            num_labelled=send(num_labelled, plan.place.device),
            has_labels=num_labelled > 0,
            skipped=skipped,
        )

    def _mirror(self, epoch: int, step: int) -> Tensor | None:
        if not self._plan.augment.mirror:
            return None
        mirror = self._plan.augmentation().draw(epoch, step, np.zeros((self._plan.num_images(), 2), np.int64)).mirror
        return send(mirror.astype(np.bool_), self._places)
