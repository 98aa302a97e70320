"""VGG trunk with one head per task."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from engine.chance import torch_seed
from engine.config import ModelConfig
from engine.model.readout import TaskReadout
from engine.model.trunk import StagedTrunk
from engine.model.weights import draw_weights, empty_vgg, find_weights, load_weights
from shards.errors import ConfigurationError, did_you_mean


class MultitaskModel(nn.Module):
    """Image to one logit per task: the trunk's taps, and what reads them."""

    def __init__(self, trunk: StagedTrunk, readout: TaskReadout, tasks: Sequence[str]) -> None:
        """Join the two.

        Args:
            trunk: Images to what the taps see.
            readout: From there to logits.
            tasks: Task names, in label order.
        """
        super().__init__()
        self.tasks = tuple(tasks)
        self.trunk = trunk
        self.readout = readout

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], active: Bool[Tensor, " task"] | None = None
    ) -> Float[Tensor, "batch task"]:
        """Return the tasks' logits: positive for "attribute present".

        Args:
            images: Normalised images.
            active: Tasks whose gradient may reach what they share with others; None means all.
        """
        return self.readout(self.trunk(images), active)

    def shared_parameters(self) -> list[tuple[list[nn.Parameter], list[int]]]:
        """Return what several tasks may use, in parts: trained parameters, and the places of the tasks that use them."""
        stages = [
            (list(stage.parameters()), [place for place, tap in enumerate(self.readout.taps) if name in self.trunk.stages_before(tap)])
            for name, stage in self.trunk.stages.items()
        ]
        hidden = [] if self.readout.shared is None else [(list(self.readout.shared.parameters()), self.readout.sharing)]
        return [(parameters, places) for parameters, places in [*stages, *hidden] if any(entry.requires_grad for entry in parameters)]

    def depths(self) -> tuple[int, ...]:
        """Return d_t: the number of weight layers from the image to each task's output."""
        taps = enumerate(self.readout.taps)
        return tuple(self.trunk.num_weight_layers(tap) + self.readout.num_layers(place) for place, tap in taps)

    def num_parameters(self) -> tuple[int, int]:
        """Return the number of parameters, and how many of them are trained."""
        statistics = self.statistics().keys()
        sizes = [(entry.numel(), entry.requires_grad) for name, entry in self.named_parameters() if name not in statistics]
        return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)

    def statistics(self) -> dict[str, Tensor]:
        """Return what is measured and not trained, by name: running statistics, and the scales of features."""
        scales = {f"readout.scales.{name}": value for name, value in self.readout.scales.named_parameters()}
        return dict(self.named_buffers()) | scales

    def uses_chance(self) -> bool:
        """Return whether a training step draws random numbers."""
        return any(isinstance(module, nn.Dropout) for module in self._training_modules())

    def depends_on_batch_split(self) -> bool:
        """Return whether a batch gives another result when it is trained in parts: trained batch statistics or dropout."""
        return any(isinstance(module, nn.BatchNorm2d | nn.Dropout) for module in self._training_modules())

    def _training_modules(self) -> list[nn.Module]:
        self.trunk.train()
        return [module for module in self.trunk.modules() if module.training]


def build_trunk(config: ModelConfig, tasks: Sequence[str], seed: int) -> StagedTrunk:
    """Return the trunk up to the deepest stage that a task reads.

    Args:
        config: Model settings.
        tasks: Task names.
        seed: The run's seed; it decides weights that are drawn, unless `model.weights_seed` does.

    Raises:
        ConfigurationError: A stage or the weights' name does not exist; `tap_grid` has no effect.
        CheckpointError: The weights cannot be had, or do not fit.
    """
    for key, mapping in (("task_taps", config.task_taps), ("task_hidden", config.task_hidden)):
        for name in mapping:
            if name not in tasks:
                raise ConfigurationError(f"model.{key} names {name!r}, which is no task of the run{did_you_mean(name, tasks)}")
    taps = {config.task_taps.get(task, config.tap) for task in tasks}
    weights = find_weights(config)
    vgg = empty_vgg(config, weights)
    trunk = StagedTrunk(vgg, taps=taps, train_from=config.train_from, grid=config.tap_grid)
    if config.tap_grid != 1 and not any(trunk.is_map(tap) for tap in taps):
        raise ConfigurationError(f"model.tap_grid {config.tap_grid} has no effect: no task reads a convolutional stage; leave it out")
    if weights is None:
        chosen = seed if config.weights_seed is None else config.weights_seed
        draw_weights(trunk, torch.Generator().manual_seed(torch_seed(chosen, "trunk")))
    else:
        load_weights(vgg, trunk, weights, config.trunk)
        trunk.notes = weights.notes
    return trunk


def build_model(config: ModelConfig, trunk: StagedTrunk, tasks: Sequence[str], seed: int) -> MultitaskModel:
    """Return the model on a trunk, its heads drawn.

    Args:
        config: Model settings.
        trunk: As `build_trunk` returned it; it may be shared between models while it is frozen.
        tasks: Task names, in label order.
        seed: The run's seed.
    """
    return MultitaskModel(trunk, TaskReadout(config, tasks, trunk.width, seed=seed), tasks)
