"""A watch for losses and gradients that are not finite, which never makes the host wait for the device."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_NEVER = 2**62


class FiniteWatch:
    """Remembers, on the device, the first step in which each task's loss or its head's gradient was not finite."""

    def __init__(self, heads: nn.ModuleList, device: torch.device, *, gradients: bool) -> None:
        """Begin with none.

        Args:
            heads: The tasks' heads, in label order.
            device: Where the losses are.
            gradients: Look at gradients too. With a loss scaler they may overflow: it skips such steps, and lowers its scale.
        """
        self._parameters = [parameter for head in heads for parameter in head.parameters()] if gradients else []
        owners = [place for place, head in enumerate(heads) for _ in head.parameters()]
        self._owners = torch.tensor(owners, device=device)
        self._zero = torch.zeros((), device=device)
        self.first = torch.full((len(heads),), _NEVER, device=device)
        """[T] int64: step, or a number beyond all steps."""

    def look(self, losses: Float[Tensor, " task"], step: int) -> None:
        """Take in a step's losses, and the gradients as they are now."""
        seen = losses
        gradients = [parameter.grad for parameter in self._parameters]
        if any(gradient is not None for gradient in gradients):
            # One call for all of them; a norm is finite only if every number is (or close to overflow, which is no better).
            norms = iter(torch._foreach_norm([gradient for gradient in gradients if gradient is not None]))  # noqa: SLF001 (as clip_grad_norm_)
            every = torch.stack([self._zero if gradient is None else next(norms) for gradient in gradients])
            seen = losses.index_add(0, self._owners, every)
        self.first = torch.where(seen.isfinite(), self.first, self.first.clamp(max=step))

    def found(self, first: Tensor) -> tuple[int, list[int]] | None:
        """Return the earliest such step and the tasks it befell, or None; it starts anew.

        Args:
            first: [ranks, T] `first` of every rank.
        """
        steps = first.amin(0).tolist()
        self.first = torch.full_like(self.first, _NEVER)
        step = min(steps)
        return None if step >= _NEVER else (step, [place for place, its in enumerate(steps) if its == step])
