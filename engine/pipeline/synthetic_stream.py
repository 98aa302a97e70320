"""One batch over and over: what the model can do when data costs nothing."""

import dataclasses

import torch

from engine.chance import torch_seed
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.batch import Batch
from engine.pipeline.loading_plan import LoadingPlan


class SyntheticStream:
    """The first batch's labels with random pixels, made once and kept on the device. What is learnt from it means nothing."""

    def __init__(self, plan: LoadingPlan, _: BadSamples, number: int) -> None:
        """Make the batch.

        Args:
            plan: What to load.
            _: There are none.
            number: First batch, counted from the first of epoch 0.
        """
        self._order, self._place, self._number = plan.order, plan.place, number
        chance = torch.Generator().manual_seed(torch_seed(plan.order.seed, "synthetic"))
        images = torch.randn(plan.num_images(), 3, *plan.size(), generator=chance).to(plan.place.device, plan.dtype())
        memory_format = torch.channels_last if plan.channels_last else torch.contiguous_format
        self._batch = plan.batch(plan.share(number), images.to(memory_format=memory_format), [])

    def next(self) -> Batch:
        """Return the batch; only the ids, and how many are valid, are those of the position."""
        epoch, step = divmod(self._number, self._order.steps_per_epoch)
        own = self._order.slice_of(self._order.batch(epoch, step), self._place.rank, self._place.world_size)
        self._number += 1
        return dataclasses.replace(self._batch, ids=torch.from_numpy(own.ids), num_valid=own.num_valid)

    def close(self) -> None:
        """Nothing runs."""
