"""One optimiser step under a task mask."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.loop.balance.balancer import Balancer, StepFacts
from engine.loop.finite import FiniteWatch
from engine.model.loss import task_losses
from engine.pipeline.batch import Batch, send


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutcome:
    """What a step did."""

    losses: Float[Tensor, " task"]
    """This rank's share of each task's mean loss over the global batch; summed over ranks it is the global batch's."""
    step_loss: Float[Tensor, ""]
    """This rank's share of the step loss."""
    trained: NDArray[Any]
    """[T] bool: the tasks that were trained: in the mask, and with a label in the global batch."""


class TrainStep:
    """Forward, backward and update of one global batch on this rank's part of it."""

    def __init__(  # noqa: PLR0913 (the parts of a step, by keyword)
        self,
        accelerator: Accelerator,
        model: nn.Module,
        heads: nn.ModuleList,
        optimizer: torch.optim.Optimizer,
        *,
        shared: Sequence[tuple[Sequence[nn.Parameter], Sequence[int]]] = (),
        pos_weight: Tensor | None = None,
        micro_batch_size: int | None = None,
        balancer: Balancer | None = None,
    ) -> None:
        """Bind what stays the same.

        Args:
            accelerator: Runs backward and the gradients' reduction.
            model: The prepared model.
            heads: The tasks' heads inside it, in label order.
            optimizer: The prepared optimiser.
            shared: Further parts of the model: parameters, and the places of the tasks that use them.
            pos_weight: [T] weight of each task's positives, or None.
            micro_batch_size: Most samples per forward pass, or None for all at once.
            balancer: What weighs the tasks against one another, or None for the step loss itself.
        """
        self._accelerator = accelerator
        self._model = accelerator.unwrap_model(model) if balancer is not None and balancer.needs_raw_model else model
        self._parts_of = [*((list(head.parameters()), [place]) for place, head in enumerate(heads)), *shared]
        # Accelerate's own step looks for a package on the disk, twice, and its zero_grad inspects a signature: a fifth of a step from
        # cached features. Without a scaler it only passes the call on.
        raw = getattr(optimizer, "optimizer", optimizer)
        self._optimizer = optimizer if accelerator.scaler is not None else raw
        self._parameters = [parameter for group in raw.param_groups for parameter in group["params"]]
        self._pos_weight = pos_weight
        self._micro_batch_size = micro_batch_size
        self._balancer = balancer
        self.watch = FiniteWatch(heads, accelerator.device, gradients=accelerator.scaler is None)

    def __call__(
        self, batch: Batch, mask: NDArray[np.bool_], weights: Float[Tensor, " task"] | None = None, *, epoch: int = 0, step: int = 0
    ) -> StepOutcome:
        """Train on a batch.

        Args:
            batch: This rank's part of the global batch.
            mask: [T], the tasks to train; the others' losses are computed but give no gradient, and their heads stand still.
            weights: [T] factor on each task's loss, or None for 1; None with a balancer.
            epoch: Epoch, for what a balancer leaves to chance.
            step: Step inside the epoch, for that and for messages.
        """
        # A task without a label in the batch has nothing to learn from it; momentum and weight decay would move its head all the same.
        trained = mask & batch.has_labels
        if not trained.any():
            with torch.no_grad():
                losses = torch.stack([self._losses(batch, *part, active=None) for part in self._parts(batch)])
            return self._outcome(losses.sum(0), None, trained, step)
        device = batch.labels.device
        active = None if trained.all() else send(trained, device)
        factors = _factors(active, weights)
        parts = self._parts(batch)
        facts = StepFacts(trained=trained, active=active, num_parts=len(parts), epoch=epoch, step=step)
        found: list[Tensor] = []
        summed: Tensor | None = None
        for number, part in enumerate(parts, start=1):
            # Gradients of all but the last micro batch stay on this rank.
            with nullcontext() if number == len(parts) else self._accelerator.no_sync(self._model):
                losses = self._losses(batch, *part, active=active)
                if self._balancer is not None:
                    self._balancer.backward(losses, facts)
                else:
                    summed = _sum(losses, factors)
                    # Gradients are averaged over the ranks, and the shares are to be summed.
                    self._accelerator.backward(summed * (self._accelerator.num_processes / len(mask)))
            found.append(losses.detach())
        if active is not None:
            self._let_stand(trained.tolist())
        # A batch in one part has its sum already.
        outcome = self._outcome(sum(found[1:], found[0]), factors, trained, step, summed if len(parts) == 1 else None)
        self._optimizer.step()
        for parameter in self._parameters:
            parameter.grad = None
        if self._balancer is not None:
            self._balancer.updated(facts, lambda: self._losses(batch, batch.inputs, batch.labels, active=None))
        return outcome

    def _let_stand(self, trained: Sequence[bool]) -> None:
        """Take the gradients of what no trained task uses: with a zero one, momentum and weight decay would move a parameter."""
        for parameters, places in self._parts_of:
            if not any(trained[place] for place in places):
                for parameter in parameters:
                    parameter.grad = None

    def _losses(self, batch: Batch, inputs: Any, labels: Tensor, *, active: Tensor | None) -> Tensor:  # noqa: ANN401 (images or features)
        # A dropped task's loss is still computed; the model lets its gradient reach its own head only.
        return task_losses(self._model(inputs, active), labels, batch.num_labelled, self._pos_weight)

    def _parts(self, batch: Batch) -> list[tuple[Any, Tensor]]:
        size = self._micro_batch_size
        return [(batch.inputs, batch.labels)] if size is None or size >= len(batch) else list(batch.split(size))

    def _outcome(
        self, losses: Tensor, factors: Tensor | None, trained: NDArray[np.bool_], step: int, summed: Tensor | None = None
    ) -> StepOutcome:
        self.watch.look(losses, step)
        if summed is None:
            summed = _sum(losses, factors) if trained.any() else torch.zeros_like(losses[0])
        return StepOutcome(losses=losses, step_loss=summed.detach() / len(trained), trained=trained)


def _factors(active: Tensor | None, weights: Tensor | None) -> Tensor | None:
    """Return [T] what each task's loss counts in the step loss, None for 1 throughout."""
    if active is None:
        return weights
    return active.float() if weights is None else torch.where(active, weights, 0)


def _sum(losses: Tensor, factors: Tensor | None) -> Tensor:
    if factors is None:
        return losses.sum()
    # Chosen and not multiplied: 0 · NaN is NaN.
    return torch.where(factors > 0, losses * factors, 0).sum()
