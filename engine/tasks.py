"""Which attributes are learnt, and how their labels are spread over the training split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.pipeline.order import Ids
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, by_spaces, did_you_mean

_MOST_NAMES = 8
_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """The chosen tasks and their labels in the training split."""

    names: tuple[str, ...]
    """Attribute names, in label order."""
    columns: NDArray[np.int64]
    """[T] their columns in the data set's labels."""
    num_labelled: NDArray[np.int64]
    """[T] training samples with a label."""
    num_positive: NDArray[np.int64]
    """[T] training samples labelled 1."""

    def positive_rates(self) -> tuple[float | None, ...]:
        """Return positives / labelled per task, None without labels."""
        counts = zip(self.num_positive.tolist(), self.num_labelled.tolist(), strict=True)
        return tuple(positive / labelled if labelled else None for positive, labelled in counts)


def choose_tasks(names: Sequence[str], dataset: ShardDataset, ids: Ids) -> Tasks:
    """Find the tasks in a data set.

    Args:
        names: Attribute names, or the single word `all`.
        dataset: The data set.
        ids: Training samples, whose labels are counted.

    Raises:
        ConfigurationError: The data set has no such attribute; the nearest one is named.
    """
    attributes = dataset.manifest.attributes
    chosen = attributes if tuple(names) == ("all",) else tuple(names)
    for name in chosen:
        if name not in attributes:
            there = f"(it has {_few(attributes)}; `all` alone means all of them)"
            hint = by_spaces(names, attributes) or did_you_mean(name, [*attributes, "all"])
            raise ConfigurationError(f"data.tasks: the data set has no attribute {name!r}{hint} {there}")
    columns = np.array([attributes.index(name) for name in chosen])
    num_labelled, num_positive = np.zeros(len(columns), np.int64), np.zeros(len(columns), np.int64)
    # Piece by piece, so that a copy of all labels is never in memory.
    for start in range(0, len(ids), _CHUNK):
        labels = dataset.labels[np.asarray(ids[start : start + _CHUNK])][:, columns]
        num_labelled += (labels >= 0).sum(0)
        num_positive += (labels == 1).sum(0)
    return Tasks(names=chosen, columns=columns, num_labelled=num_labelled, num_positive=num_positive)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
