"""How the tasks' gradients stand to each other on the layers they share, for a scheduler that asks."""

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.model.loss import task_losses
from engine.pipeline.batch import Batch
from shards.errors import ConfigurationError


class TaskGradients:
    """Computes g_i · g_j of a batch, a backward pass per task, and leaves no trace in weights, statistics or gradients."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        *,
        shared: Sequence[nn.Parameter],
        pos_weight: Tensor | None = None,
        micro_batch_size: int | None = None,
    ) -> None:
        """Bind what stays the same.

        Args:
            accelerator: Ranks and precision.
            model: The model itself: neither compiled nor wrapped.
            shared: Trained parameters that several tasks share.
            pos_weight: [T] weight of each task's positives, or None.
            micro_batch_size: Most samples per forward pass, or None for all at once.
        """
        self._accelerator = accelerator
        self._model = model
        self._shared = list(shared)
        self._pos_weight = pos_weight
        self._micro_batch_size = micro_batch_size

    def products(self, batch: Batch) -> NDArray[np.float64]:
        """Return [T, T]: the inner products of the gradients of the tasks' mean losses over the global batch. A collective call.

        The gradients of all tasks are in memory at once: T times the shared parameters.

        Args:
            batch: This rank's part of the global batch.

        Raises:
            ConfigurationError: The tasks share no trained layer.
        """
        if not self._shared:
            raise ConfigurationError("the scheduler asks for gradients of layers that tasks share, and they share none that is trained")
        buffers = list(self._model.buffers())
        kept = [buffer.clone() for buffer in buffers]
        size = self._micro_batch_size or len(batch)
        parts = [(batch.inputs, batch.labels)] if size >= len(batch) else list(batch.split(size))
        gradients = sum(self._gradients(inputs, labels, batch.num_labelled) for inputs, labels in parts)
        with torch.no_grad():
            for buffer, value in zip(buffers, kept, strict=True):
                buffer.copy_(value)
        gradients = self._accelerator.reduce(gradients).double()
        return (gradients @ gradients.T).cpu().numpy()

    def _gradients(self, inputs: object, labels: Tensor, num_labelled: Tensor) -> Tensor:
        """Return [T, parameters]: this rank's share of each task's gradient."""
        scaler = self._accelerator.scaler
        # float16 loses small gradients on their way down unless the loss is scaled up.
        scale = scaler.get_scale() if scaler is not None else 1.0
        with self._accelerator.autocast():
            losses = task_losses(self._model(inputs, None), labels, num_labelled, self._pos_weight) * scale
        rows = []
        for place, loss in enumerate(losses):
            last = place + 1 == len(losses)
            found = torch.autograd.grad(loss, self._shared, retain_graph=not last, materialize_grads=True)
            rows.append(torch.cat([gradient.flatten() for gradient in found]) / scale)
        return torch.stack(rows)
