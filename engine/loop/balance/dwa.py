"""Dynamic weight average."""

from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor
from torchjd.scalarization import DWA

from engine.loop.balance.balancer import Balancer, StepFacts

TEMPERATURE = 2.0
"""Liu et al. 2019, section 3.2: the value of their experiments."""


class DynamicWeightAverage(Balancer):
    """Tasks whose loss falls slowly weigh more (Liu, Johns & Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019).

    λ(k, t) = T · softmax_t(r(t) / 2) with the rate r(t) = V(k-1, t) / V(k-2, t), and 1 in the first two epochs; the step loss is
    Σ λ·L / T. V is the mean loss over an epoch's labelled samples, which dropped tasks have, too: a mask does not change the weights. A
    task whose V is 0 in one of the two epochs (no label at all) has no rate, and counts as one that stands still.
    """

    def __init__(self, accelerator: Accelerator, num_tasks: int) -> None:
        """Begin with equal weights.

        Args:
            accelerator: Runs backward and the gradients' reduction.
            num_tasks: T.
        """
        self._accelerator = accelerator
        self._num_tasks = num_tasks
        self._history = torch.ones(0, num_tasks, dtype=torch.float64)
        self._weights = self._from_history()

    def backward(self, losses: Tensor, facts: StepFacts) -> None:
        """See `Balancer`."""
        terms = self._weights * losses
        if facts.active is not None:
            terms = torch.where(facts.active, terms, 0)
        # Gradients are averaged over the ranks, and the shares are to be summed.
        self._accelerator.backward(terms.sum() * (self._accelerator.num_processes / self._num_tasks))

    def observe(self, losses: Sequence[float]) -> None:
        """See `Balancer`."""
        newest = torch.tensor([losses], dtype=torch.float64)
        self._history = torch.cat([self._history, newest])[-2:]
        self._weights = self._from_history()

    def tensors(self) -> dict[str, Tensor]:
        """Return V of the last two epochs."""
        return {"losses": self._history}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore them.

        Raises:
            ValueError: They are damaged.
        """
        losses = tensors["losses"]
        if losses.ndim != 2 or len(losses) > 2 or losses.shape[1] != self._num_tasks or losses.dtype != torch.float64:
            raise ValueError(f"the balancer's losses are {losses.dtype} {tuple(losses.shape)}")
        self._history = losses.clone()
        self._weights = self._from_history()

    def _from_history(self) -> Tensor:
        """Return λ, on the device: what the library multiplies the losses by after it has seen these epochs."""
        dwa = DWA(TEMPERATURE)
        known = (self._history > 0).all(0)
        for losses in self._history:
            dwa(torch.where(known, losses, 1))
            dwa.step()
        values = torch.ones(self._num_tasks, dtype=torch.float64, requires_grad=True)
        (weights,) = torch.autograd.grad(dwa(values), values)
        return weights.float().to(self._accelerator.device)
