"""From what the taps see to one logit per task."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import linear

from engine.chance import torch_seed
from engine.config import ModelConfig, hidden_widths
from engine.model.standardise import Standardise
from engine.model.trunk import FROZEN


class TaskReadout(nn.Module):
    """Hidden layers and heads.

    The tasks at `model.tap` share the hidden layers (by default 1000 features -> Linear(64) -> ReLU) and have a linear layer of their own,
    a head, each. A task with a tap or hidden layers of its own shares nothing here: its head is hidden layers and linear layer together.
    Heads are separate modules, so that a dropped task's head can stand still.
    """

    def __init__(self, config: ModelConfig, tasks: Sequence[str], width: Callable[[str], int], *, seed: int) -> None:
        """Build layers, with torch's usual initial weights.

        The shared layers and each task's head are drawn by themselves: a task begins with the same weights whatever other tasks there are,
        alone for instance.

        Args:
            config: Model settings.
            tasks: Task names, in label order.
            width: Returns the length of what a tap sees.
            seed: The run's seed.
        """
        super().__init__()
        self.tap = config.tap
        self.taps = tuple(config.task_taps.get(task, config.tap) for task in tasks)
        own = tuple(task in config.task_taps or task in config.task_hidden for task in tasks)
        # Places of the tasks that share, of the others, and where each task's logit is once the two are put side by side.
        self.sharing = [place for place, alone in enumerate(own) if not alone]
        frozen = config.standardise and config.train_from == FROZEN
        self.scales = nn.ModuleDict({name: Standardise(width(name)) for name in dict.fromkeys(self.taps)} if frozen else {})
        # Known by heart, as `_layers` below.
        self._scales = [(name, *scale.parameters()) for name, scale in self.scales.items()]
        self._alone = [place for place, alone in enumerate(own) if alone]
        places = [*self.sharing, *self._alone]
        self._columns = [places.index(place) for place in range(len(tasks))] if self.sharing and self._alone else None
        torch.manual_seed(torch_seed(seed, "shared layers"))
        self.shared = nn.Sequential(*_hidden(width(config.tap), config.hidden)) if self.sharing else None
        self.heads = nn.ModuleList()
        # Known by heart: walking through modules for them takes as long as the product.
        self._layers: list[nn.Linear] = []
        for task, tap, alone in zip(tasks, self.taps, own, strict=True):
            widths = hidden_widths(config, task) if alone else config.hidden
            last = widths[-1] if widths else width(tap)
            torch.manual_seed(torch_seed(seed, f"head of {task}"))
            hidden, layer = _hidden(width(tap), widths) if alone else (), nn.Linear(last, 1)
            self.heads.append(nn.Sequential(*hidden, layer))
            if not alone:
                self._layers.append(layer)

    def forward(self, seen: Mapping[str, Tensor], active: Bool[Tensor, " task"] | None = None) -> Float[Tensor, "batch task"]:
        """Return the tasks' logits: positive for "attribute present".

        Args:
            seen: Tap -> [batch, width].
            active: Tasks whose gradient may reach what they share with others; None means all.
        """
        return self.answer(self.split(seen), active)

    def split(self, seen: Mapping[str, Tensor]) -> list[Tensor]:
        """Return where the tasks' ways part: [batch, width] for those that share the hidden layers, if any, then for each of the others."""
        if self._scales:
            seen = {name: torch.addcmul(shift, seen[name], scale) for name, shift, scale in self._scales}
        shared = [] if self.shared is None else [self.shared(seen[self.tap])]
        return [*shared, *(seen[self.taps[place]] for place in self._alone)]

    def answer(self, parted: Sequence[Tensor], active: Bool[Tensor, " task"] | None = None) -> Float[Tensor, "batch task"]:
        """Return the logits; arguments as `split` returns them and as for `forward`."""
        inputs = [_StopNonFinite.apply(value) if value.requires_grad else value for value in parted]
        logits = [self._shared_logits(inputs[0], active)] if self.sharing else []
        for place, value in zip(self._alone, inputs[len(logits) :], strict=True):
            kept = torch.where(active[place], value, value.detach()) if active is not None and value.requires_grad else value
            logits.append(self.heads[place](kept))
        together = logits[0] if len(logits) == 1 else torch.cat(logits, dim=1)
        return together if self._columns is None else torch.stack([together[:, column] for column in self._columns], dim=1)

    def num_layers(self, task: int) -> int:
        """Return the number of linear layers between what a task's tap sees and its output."""
        shared = self.shared if task in self.sharing else None
        return sum(isinstance(layer, nn.Linear) for part in (shared, self.heads[task]) if part is not None for layer in part.modules())

    def _shared_logits(self, value: Tensor, active: Bool[Tensor, " task"] | None) -> Tensor:
        """All heads in one product: forward and backward take a half to a sixth of the time (8 and 40 heads of 64 features, a CPU core)."""
        weight, bias = torch.cat([layer.weight for layer in self._layers]), torch.cat([layer.bias for layer in self._layers])
        if active is None:
            return linear(value, weight, bias)
        if len(self._layers) < len(self.taps):
            # Not indexed by a list: that would be copied to the device, and the host would wait for it.
            active = torch.stack([active[place] for place in self.sharing])
        # A dropped task's weights are replaced and not multiplied by 0: 0 · NaN is NaN, and would reach what is shared.
        trained = linear(value, torch.where(active[:, None], weight, 0), torch.where(active, bias, 0))
        return torch.where(active, trained, linear(value.detach(), weight.detach(), bias.detach()))


class _StopNonFinite(torch.autograd.Function):
    """Identity whose gradient has zeros for what is not finite: a head that fails does not take what is shared along.

    Not in float16: there the loss scaler has to see an overflow, and leaves out the whole step.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ANN401, ARG004 (as torch calls it)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401, ARG004 (as torch calls it)
        (gradient,) = gradients
        return gradient if gradient.dtype == torch.float16 else torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)


def _hidden(width: int, widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise((width, *widths)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers
