"""One batch over and over: what the model can do when data costs nothing."""

import dataclasses

import torch
from torch import Tensor

from engine.chance import torch_seed
from engine.pipeline.batch import Batch
from engine.pipeline.loader import Loader


class SyntheticLoader(Loader):
    """The first batch's labels with random pixels, made once and kept on the device. What is learnt from it means nothing."""

    def __next__(self) -> Batch:
        """Return the batch; only the ids, and how many are valid, are those of the position."""
        if not self._running:
            self._batch = super().__next__()
            return self._batch
        part = self._plan.slice(self._number)
        self._number += 1
        return dataclasses.replace(self._batch, ids=torch.from_numpy(part.ids), num_valid=part.num_valid)

    def _start(self, number: int) -> None:
        """Nothing runs."""

    def _next_images(self) -> tuple[Tensor, list[int]]:
        plan = self._plan
        chance = torch.Generator().manual_seed(torch_seed(self.order.seed, "synthetic"))
        images = torch.randn(plan.num_images(), 3, *plan.size(), generator=chance).to(plan.place.device, plan.dtype())
        return images.to(memory_format=torch.channels_last if plan.channels_last else torch.contiguous_format), []
