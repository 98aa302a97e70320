"""Fast adaptive multitask optimisation."""

from collections.abc import Callable, Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim import Adam
from torchjd.scalarization import FAMO

from engine.loop.balance.balancer import Balancer, StepFacts

_MOMENT = "moments."


class Famo(Balancer):
    """All losses are to fall at the same rate (Liu, Feng, Stone & Liu, FAMO, NeurIPS 2023).

    The gradient is Σ w·∇L with w(t) ∝ softmax_t(ξ) / L(t) and Σ w = 1. ξ is learnt from how much each loss has changed, as a logarithm,
    once the optimiser has moved the weights: a second pass of the batch through the model, with the same dropout, that leaves no trace in
    batch statistics. The library's own Adam learns ξ: learning rate 0.025 as in the paper, decay 1e-3 as in its algorithm 2.
    """

    def __init__(
        self, accelerator: Accelerator, num_tasks: int, *, buffers: Sequence[Tensor], repeat_chance: Callable[[int, int], None] | None
    ) -> None:
        """Begin with equal logits.

        Args:
            accelerator: Runs backward and the gradients' reduction.
            num_tasks: T.
            buffers: The model's running statistics.
            repeat_chance: Takes epoch and step; what the model draws then is what it drew in that step. None if it draws nothing.
        """
        self._accelerator = accelerator
        self._famo = FAMO(num_tasks).to(accelerator.device)
        self._buffers = list(buffers)
        self._repeat_chance = repeat_chance

    def backward(self, losses: Tensor, facts: StepFacts) -> None:  # noqa: ARG002 (all tasks, in one part: else it is refused)
        """See `Balancer`."""
        world_size = self._accelerator.num_processes
        # Their value is that of all ranks, their gradient this rank's share, once for each rank: gradients are averaged over them.
        values = self._accelerator.reduce(losses.detach()) + (losses - losses.detach()) * world_size
        self._accelerator.backward(self._famo(_known(values)))

    def updated(self, facts: StepFacts, again: Callable[[], Tensor]) -> None:
        """See `Balancer`."""
        kept = [buffer.clone() for buffer in self._buffers]
        if self._repeat_chance is not None:
            self._repeat_chance(facts.epoch, facts.step)
        with torch.no_grad():
            losses = again()
            for buffer, value in zip(self._buffers, kept, strict=True):
                buffer.copy_(value)
        self._famo.update(_known(self._accelerator.reduce(losses)))

    def tensors(self) -> dict[str, Tensor]:
        """Return ξ and its optimiser's moments."""
        optimizer = self._famo._optimizer  # noqa: SLF001 (the library gives it out in no other way)
        moments = {} if optimizer is None else optimizer.state_dict()["state"][0]
        return self._famo.state_dict() | {f"{_MOMENT}{name}": value for name, value in moments.items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore them.

        Raises:
            ValueError: They are damaged.
        """
        famo = self._famo
        moments = {name.removeprefix(_MOMENT): value for name, value in tensors.items() if name.startswith(_MOMENT)}
        (logits,) = famo.parameters()
        shapes = {"step": torch.Size(), "exp_avg": logits.shape, "exp_avg_sq": logits.shape}
        if moments and {name: value.shape for name, value in moments.items()} != shapes:
            raise ValueError(f"the balancer's moments are {', '.join(sorted(moments))}")
        famo.reset()
        famo.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(_MOMENT)})
        if moments:
            # As the library builds it at the first update.
            optimizer = Adam(famo.parameters(), lr=famo.lr, weight_decay=famo.weight_decay)
            optimizer.load_state_dict({"state": {0: moments}, "param_groups": optimizer.state_dict()["param_groups"]})
            famo._optimizer = optimizer  # noqa: SLF001 (see above)


def _known(losses: Tensor) -> Tensor:
    """Keep a loss that is not finite from the weights of all tasks; the loop sees it, and ends the run."""
    return torch.where(losses.isfinite(), losses, 1)
