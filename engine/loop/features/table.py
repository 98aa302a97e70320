"""The features that a run trains from, on its device where they fit."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RESIDENT_SHARE = 0.6
"""Share of the GPU's free memory that features may take; the rest is for the model and for decoding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureTable:
    """Rows of features, by tap."""

    values: Mapping[str, Tensor]
    """Tap -> [rows, width]."""
    mirrored: Mapping[str, Tensor]
    """The same of the mirrored images; empty where they are not wanted."""
    ids: NDArray[np.int64] | None
    """[rows] sample id of each row, rising; None where a sample's id is its row."""
    device: torch.device
    """Device of the batches."""
    bad: Mapping[int, str]
    """Damaged samples -> what is wrong with them."""

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of samples."""
        return ids if self.ids is None else np.searchsorted(self.ids, ids)

    def take(self, rows: Tensor, mirror: Tensor | None) -> dict[str, Tensor]:
        """Return tap -> [n, width] of float type, on the device.

        Args:
            rows: [n] int64, where the values are.
            mirror: [n] bool, which to take from the mirrored images; None for none.
        """
        return {tap: self._take(tap, rows, mirror) for tap in self.values}

    def _take(self, tap: str, rows: Tensor, mirror: Tensor | None) -> Tensor:
        taken = self.values[tap].index_select(0, rows)
        if mirror is not None:
            taken = torch.where(mirror[:, None], self.mirrored[tap].index_select(0, rows), taken)
        # By type: with several ranks on CPUs theirs are numbered.
        if taken.device.type != self.device.type:
            taken = taken.pin_memory().to(self.device, non_blocking=True)
        # Half as many bytes travel; what the model's layers compute in is autocast's business.
        return taken.float()


def resident(values: Mapping[str, Tensor], ids: NDArray[np.int64], device: torch.device) -> tuple[dict[str, Tensor], bool]:
    """Return the rows of the used samples on the device if they fit; else, and on a CPU, everything as it is mapped.

    Args:
        values: Name -> [samples, width], memory-mapped.
        ids: Used samples, rising.
        device: The device.
    """
    if device.type != "cuda":
        return dict(values), False
    needed = sum(len(ids) * value.shape[1] * value.element_size() for value in values.values())
    free, _ = torch.cuda.mem_get_info(device)
    if needed > RESIDENT_SHARE * free:
        return dict(values), False
    rows = torch.from_numpy(ids)
    return {name: value.index_select(0, rows).to(device) for name, value in values.items()}, True
