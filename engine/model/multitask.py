"""VGG trunk with one head per task."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.model.trunk import StagedTrunk, load_vgg
from shards.errors import ConfigurationError


class MultitaskModel(nn.Module):
    """Image to one logit per task.

    The tasks at `config.tap` share the hidden layers (by default 1000 logits -> Linear(64) -> ReLU) and have a linear layer of
    their own, a head, each. A task with a tap of its own has its own hidden layers too. Heads are separate modules, so that a
    dropped task's head can stand still.
    """

    def __init__(self, config: ModelConfig, tasks: Sequence[str]) -> None:
        """Build trunk, hidden layers and heads; weights that are not loaded are drawn from torch's global generator.

        Args:
            config: Model settings.
            tasks: Task names, in label order.

        Raises:
            ConfigurationError: A stage or the weights' name does not exist.
            CheckpointError: The weights cannot be had, or do not fit.
        """
        super().__init__()
        self.tasks = tuple(tasks)
        self._tap_of = tuple(config.task_taps.get(task, config.tap) for task in tasks)
        self.trunk = StagedTrunk(load_vgg(config), taps=self._tap_of, train_from=config.train_from)
        self.shared = self._neck(config, config.tap) if config.tap in self._tap_of else None
        self._shared_tap = config.tap
        if config.tap_grid != 1 and not any(self.trunk.num_channels(tap)[1] for tap in self._tap_of):
            raise ConfigurationError(f"model.tap_grid {config.tap_grid} has no effect: no task reads a convolutional stage; leave it out")
        self.heads = nn.ModuleList(self._head(config, tap) for tap in self._tap_of)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], active: Bool[Tensor, " task"] | None = None
    ) -> Float[Tensor, "batch task"]:
        """Return the tasks' logits: positive for "attribute present".

        Args:
            images: Normalised images.
            active: Tasks whose gradient may reach what they share with others; None means all.
        """
        taps = self.trunk(images)
        if self.shared is not None:
            taps[self._shared_tap] = self.shared(taps[self._shared_tap])
        inputs = [taps[tap] for tap in self._tap_of]
        if active is not None:
            # Cutting the gradient here, and not by a factor 0 on the loss, keeps a NaN in a dropped task's head, logits or loss out
            # of everything shared: 0 · NaN is NaN.
            inputs = [torch.where(is_active, value, value.detach()) for is_active, value in zip(active, inputs, strict=True)]
        return torch.cat([head(value) for head, value in zip(self.heads, inputs, strict=True)], dim=1)

    def depths(self) -> tuple[int, ...]:
        """Return d_t: the number of weight layers from the image to each task's output."""
        shared = 0 if self.shared is None else _num_linear(self.shared)
        return tuple(
            self.trunk.num_weight_layers(tap) + (shared if tap == self._shared_tap else 0) + _num_linear(head)
            for head, tap in zip(self.heads, self._tap_of, strict=True)
        )

    def num_parameters(self) -> tuple[int, int]:
        """Return the number of parameters, and how many of them are trained."""
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in self.parameters()]
        return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)

    def depends_on_batch_split(self) -> bool:
        """Return whether a batch gives another result when it is trained in parts: trained batch statistics or dropout."""
        self.trunk.train()
        return any(module.training and isinstance(module, nn.BatchNorm2d | nn.Dropout) for module in self.trunk.modules())

    def frozen_digest(self) -> str:
        """Return a hash of the weights that training does not change."""
        digest = hashlib.sha256()
        for name, parameter in self.named_parameters():
            if not parameter.requires_grad:
                digest.update(name.encode())
                digest.update(parameter.detach().cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]

    def _head(self, config: ModelConfig, tap: str) -> nn.Sequential:
        if tap != config.tap:
            neck = self._neck(config, tap)
            return nn.Sequential(*neck, nn.Linear(self._width(config, tap), 1))
        return nn.Sequential(nn.Linear(self._width(config, tap), 1))

    def _neck(self, config: ModelConfig, tap: str) -> nn.Sequential:
        """Return what lies between a tap and the heads: the reduction of a map to a vector, then the hidden layers."""
        widths = (self._tap_width(config, tap), *config.hidden)
        _, is_map = self.trunk.num_channels(tap)
        layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(config.tap_grid), nn.Flatten()] if is_map else []
        for width, next_width in pairwise(widths):
            layers += [nn.Linear(width, next_width), nn.ReLU()]
        return nn.Sequential(*layers)

    def _tap_width(self, config: ModelConfig, tap: str) -> int:
        channels, is_map = self.trunk.num_channels(tap)
        return channels * config.tap_grid**2 if is_map else channels

    def _width(self, config: ModelConfig, tap: str) -> int:
        return config.hidden[-1] if config.hidden else self._tap_width(config, tap)


def _num_linear(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.Linear) for layer in module.modules())
