"""All tasks alike."""

import torch
from accelerate import Accelerator
from torch import Tensor
from torchjd.scalarization import Mean

from engine.loop.balance.balancer import Balancer, StepFacts


class EqualWeights(Balancer):
    """The mean over all tasks, a dropped one counting 0: what the loop does without a balancer, by way of the library."""

    def __init__(self, accelerator: Accelerator) -> None:
        """Bind the ranks.

        Args:
            accelerator: Runs backward and the gradients' reduction.
        """
        self._accelerator = accelerator
        self._mean = Mean()

    def backward(self, losses: Tensor, facts: StepFacts) -> None:
        """See `Balancer`."""
        terms = losses if facts.active is None else torch.where(facts.active, losses, 0)
        # Gradients are averaged over the ranks, and the shares are to be summed.
        self._accelerator.backward(self._mean(terms) * self._accelerator.num_processes)
