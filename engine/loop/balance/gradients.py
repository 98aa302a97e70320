"""Balances the tasks' gradients instead of their losses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torchjd.aggregation import Aggregator, GramianWeightedAggregator
from torchjd.autojac import backward, jac_to_grad

from engine.chance import torch_seed
from engine.loop.balance.balancer import Balancer, StepFacts
from engine.pipeline.batch import send


class GradientBalancer(Balancer):
    """One gradient per task on what tasks share, put together by an aggregator; what only one task trains has that task's gradient.

    The library takes the rows of the Jacobian one by one (`parallel_chunk_size=1`), each a backward pass through the whole model. Its
    `mtl_backward` parts the model at the last shared layer; that asks for a backward pass per task there and for one through the rest,
    which takes longer where the rest is small and the same where it is large, and it holds a parameter that one task of a deeper stage
    has for itself to be shared. Nothing of it passes through the wrapper that reduces gradients as they come: the rows are summed over the
    ranks here, before they are put together.
    """

    needs_raw_model = True

    def __init__(
        self, accelerator: Accelerator, aggregator: Aggregator, *, shared: Sequence[nn.Parameter], own: Sequence[nn.Parameter], seed: int
    ) -> None:
        """Bind what stays the same.

        Args:
            accelerator: The ranks.
            aggregator: Takes [m, n] gradients of m tasks to [n].
            shared: Parameters that several tasks train.
            own: All other trained parameters.
            seed: The run's seed, for what an aggregator leaves to chance.
        """
        self._accelerator = accelerator
        self._aggregator = aggregator
        self._shared = list(shared)
        self._own = list(own)
        self._seed = seed

    def backward(self, losses: Tensor, facts: StepFacts) -> None:
        """See `Balancer`."""
        terms = losses / len(losses)
        if facts.active is not None:
            terms = terms[send(np.flatnonzero(facts.trained), losses.device)]
        backward([terms], inputs=self._shared, retain_graph=True, parallel_chunk_size=1)
        gradients = torch.autograd.grad(terms.sum(), self._own, materialize_grads=True)
        if self._accelerator.num_processes > 1:
            for parameter in self._shared:
                parameter.jac = self._accelerator.reduce(parameter.jac)  # pyrefly: ignore[missing-attribute] (the library's)
            gradients = self._summed(gradients)
        for parameter, gradient in zip(self._own, gradients, strict=True):
            parameter.grad = gradient
        with _drawing_from(torch_seed(self._seed, "balancer", facts.epoch, facts.step)):
            self._put_together()

    def _put_together(self) -> None:
        """Leave the aggregated gradient on the shared parameters, and take the rows away."""
        if isinstance(self._aggregator, GramianWeightedAggregator):
            # Spares a copy of all rows.
            jac_to_grad(self._shared, self._aggregator, optimize_gramian_computation=True)
        else:
            jac_to_grad(self._shared, self._aggregator)

    def _summed(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients, summed over the ranks in one message."""
        together = self._accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = together.split([gradient.numel() for gradient in gradients])
        return [piece.view_as(gradient) for piece, gradient in zip(pieces, gradients, strict=True)]


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Draw from this seed on the CPU, and leave torch's global generator as it was; `torch.random.fork_rng` asks every GPU, too."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
