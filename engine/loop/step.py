"""One optimiser step under a task mask."""

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.model.loss import task_losses
from engine.pipeline.batch import Batch, send


class TrainStep:
    """Forward, backward and update of one global batch on this rank's part of it."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        heads: nn.ModuleList,
        optimizer: torch.optim.Optimizer,
        *,
        pos_weight: Tensor | None,
        micro_batch_size: int | None,
    ) -> None:
        """Bind what stays the same.

        Args:
            accelerator: Runs backward and the gradients' reduction.
            model: The prepared model.
            heads: The tasks' heads inside it, in label order.
            optimizer: The prepared optimiser.
            pos_weight: [T] weight of each task's positives, or None.
            micro_batch_size: Most samples per forward pass, or None for all at once.
        """
        self._accelerator = accelerator
        self._model = model
        self._heads = heads
        self._optimizer = optimizer
        self._pos_weight = pos_weight
        self._micro_batch_size = micro_batch_size

    def __call__(self, batch: Batch, mask: NDArray[np.bool_]) -> tuple[Float[Tensor, " task"], Float[Tensor, ""]]:
        """Train on a batch.

        Args:
            batch: This rank's part of the global batch.
            mask: [T], the tasks to train; the others' losses are computed but give no gradient, and their heads stand still.

        Returns:
            This rank's share of each task's mean loss over the global batch, and of the step loss, detached. Summed over ranks
            they are the global batch's.
        """
        active = send(mask, batch.images.device)
        total = torch.zeros(len(mask), device=batch.images.device)
        for images, labels, is_last in self._micro_batches(batch):
            # Gradients of all but the last micro batch stay on this rank.
            with nullcontext() if is_last else self._accelerator.no_sync(self._model):
                # A dropped task's loss is still computed; the model lets its gradient reach its own head only.
                losses = task_losses(self._model(images, active), labels, batch.num_labelled, self._pos_weight)
                step_loss = torch.where(active, losses, 0).sum() / len(mask)
                # Gradients are averaged over the ranks, and the shares are to be summed.
                self._accelerator.backward(step_loss * self._accelerator.num_processes)
            total += losses.detach()
        # Without a gradient the optimiser leaves a parameter alone; with a zero one, momentum and weight decay would move it.
        for head, is_active in zip(self._heads, mask.tolist(), strict=True):
            if not is_active:
                head.zero_grad(set_to_none=True)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total, torch.where(active, total, 0).sum() / len(mask)

    def _micro_batches(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, bool]]:
        size = self._micro_batch_size or len(batch.images)
        parts = list(zip(batch.images.split(size), batch.labels.split(size), strict=True))
        for number, (images, labels) in enumerate(parts, start=1):
            yield images, labels, number == len(parts)
