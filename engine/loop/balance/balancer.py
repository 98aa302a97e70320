"""What a balancer is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepFacts:
    """What a balancer is told of a step."""

    trained: NDArray[Any]
    """[T] bool: the tasks that are trained, the same on every rank; at least one."""
    active: Tensor | None
    """[T] bool: the same on the device; None for all."""
    num_parts: int
    """Micro batches of the step on this rank."""
    epoch: int
    """From 0."""
    step: int
    """Step inside the epoch, from 0."""


class Balancer:
    """Takes the losses of a step to the gradients that move the model.

    Protocol of a step: `backward` for each micro batch, the optimiser's step, `updated`. Protocol of an epoch: `observe` at its end. What
    has a memory gives it out as `tensors`. Everything is the same on every rank.
    """

    needs_raw_model = False
    """Whether `backward` sums the gradients over the ranks itself, so that the losses must come from the model without its wrapper."""

    def backward(self, losses: Float[Tensor, " task"], facts: StepFacts) -> None:
        """Add to the gradients of what the tasks in `facts.trained` train.

        Args:
            losses: This rank's share of each task's mean loss, with its graph; what the micro batches of all ranks add up to is the mean
                over the global batch.
            facts: The step.
        """
        raise NotImplementedError

    def updated(self, facts: StepFacts, again: Callable[[], Float[Tensor, " task"]]) -> None:
        """Learn from the step that the optimiser has made.

        Args:
            facts: The step.
            again: Returns this rank's share of the losses of the same batch under the new weights, in one pass of the model.
        """

    def observe(self, losses: Sequence[float]) -> None:
        """Take in V(k, t), the tasks' mean losses of a finished epoch, which dropped tasks have, too."""

    def parameters(self) -> list[nn.Parameter]:
        """Return what the model's optimiser has to learn besides."""
        return []

    def tensors(self) -> dict[str, Tensor]:
        """Return the memory, for a checkpoint."""
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `tensors` returned."""
