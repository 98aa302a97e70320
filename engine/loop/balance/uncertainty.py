"""Weights from learnt uncertainties."""

from collections.abc import Mapping

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.func import functional_call
from torchjd.scalarization import UW

from engine.loop.balance.balancer import Balancer, StepFacts


class UncertaintyWeights(Balancer):
    """Each task's log variance s(t) is learnt with the weights (Kendall, Gal & Cipolla, Multi-Task Learning Using Uncertainty, CVPR 2018).

    The step loss is Σ (½ exp(-s)·L + ½ s) / T over the tasks that are trained, s = 0 at first. Each s is a parameter of its own, so that
    that of a dropped task has no gradient and stands still under any optimiser.
    """

    def __init__(self, accelerator: Accelerator, num_tasks: int) -> None:
        """Begin with s = 0.

        Args:
            accelerator: Runs backward and the gradients' reduction.
            num_tasks: T.
        """
        self._accelerator = accelerator
        self._uncertainty = UW(num_tasks)
        self._log_variances = [nn.Parameter(torch.zeros((), device=accelerator.device)) for _ in range(num_tasks)]

    def backward(self, losses: Tensor, facts: StepFacts) -> None:
        """See `Balancer`."""
        world_size, num_tasks = self._accelerator.num_processes, len(losses)
        # Their value is that of all ranks, which s learns from; their gradient is this rank's share, once for each rank, because
        # gradients are averaged over them.
        values = self._accelerator.reduce(losses.detach()) + (losses - losses.detach()) * world_size
        chosen = np.flatnonzero(facts.trained).tolist()
        parameters = {"log_var": torch.stack([self._log_variances[task] for task in chosen])}
        every = values.unbind()
        # A part of the batch stands for the whole of it: ½ s would count once for each part.
        terms = torch.stack([every[task] for task in chosen]) * facts.num_parts
        loss = functional_call(self._uncertainty, parameters, terms)
        self._accelerator.backward(loss / (facts.num_parts * num_tasks))

    def parameters(self) -> list[nn.Parameter]:
        """Return each task's s."""
        return self._log_variances

    def tensors(self) -> dict[str, Tensor]:
        """Return each task's s; its moments are in the optimiser's state."""
        return {"log_variances": torch.stack([parameter.detach() for parameter in self._log_variances])}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore them."""
        with torch.no_grad():
            for parameter, value in zip(self._log_variances, tensors["log_variances"], strict=True):
                parameter.copy_(value)
