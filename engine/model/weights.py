"""A VGG of torchvision with its weights: downloaded, from a file, or drawn."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import VGG, WeightsEnum

from engine.config import ModelConfig, Trunk
from engine.model.state_file import read_state
from engine.model.vgg_state import VggState, fill, find_vgg
from shards.errors import CheckpointError, ConfigurationError, did_you_mean


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that were read, not yet known to fit."""

    state: VggState
    source: str
    """What messages call them."""
    remedy: str = ""
    """What to do if they do not fit."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed when they were read, in words."""
        return tuple(f"{self.source} {note}" for note in self.state.notes)


def find_weights(config: ModelConfig) -> Weights | None:
    """Return the configured weights, or None if they are to be drawn.

    Raises:
        ConfigurationError: torchvision has no weights of that name for this network, and there is no such file.
        CheckpointError: The weights cannot be had.
    """
    if config.weights == "none":
        return None
    known = {member.name: member for member in torchvision.models.get_model_weights(config.trunk)}
    if config.weights in known:
        return _download(known[config.weights], config)
    path = Path(config.weights)
    if not path.is_file():
        choices = f"{config.trunk} has {', '.join(known)} or none{did_you_mean(config.weights, known)}"
        raise ConfigurationError(f"model.weights {config.weights!r}: no such file, and {choices}")
    return _read(path, f"model.weights {path}:")


def empty_vgg(config: ModelConfig, weights: Weights | None) -> VGG:
    """Return torchvision's network without memory: most of its weights are in the last stages, and only stages that are read get any."""
    with torch.device("meta"):
        num_classes = {} if weights is None else {"num_classes": weights.state.num_classes}
        return getattr(torchvision.models, config.trunk)(weights=None, init_weights=False, **num_classes)


def load_weights(vgg: VGG, stages: nn.Module, weights: Weights, trunk: Trunk) -> None:
    """Give the stages that are read their weights.

    Args:
        vgg: The network.
        stages: What was built of its modules.
        weights: As `find_weights` returned them.
        trunk: The network's name.

    Raises:
        CheckpointError: They do not fit, or are no numbers.
    """
    read = {id(tensor) for tensor in stages.state_dict(keep_vars=True).values()}
    needed: dict[str, Tensor] = {name: tensor for name, tensor in vgg.state_dict(keep_vars=True).items() if id(tensor) in read}
    try:
        fill(vgg, needed, weights.state, trunk)
    except ValueError as error:
        raise CheckpointError(f"{weights.source} {error}{weights.remedy}") from error


def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of a part of a VGG the way torchvision does, and give it memory if it has none.

    Convolutions are normal with variance 2 / (kernel area * output channels) (He et al., ICCV 2015), linear layers with standard
    deviation 0.01, biases 0; batch normalisation begins as the identity.
    """
    module.to_empty(device="cpu")
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _download(member: WeightsEnum, config: ModelConfig) -> Weights:
    """Return torchvision's weights, from the file that torch keeps of them if it is there."""
    name = f"model.weights {config.weights} for {config.trunk}"
    kept = Path(torch.hub.get_dir()) / "checkpoints" / member.url.rpartition("/")[2]
    try:
        if not kept.exists():
            member.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = f"cannot be downloaded ({error}); get the file elsewhere and pass its path, or use `none`"
        raise CheckpointError(f"{name}: {reason}") from error
    return _read(kept, f"{name}: {kept}", "; delete it and start again")


def _read(path: Path, source: str, remedy: str = "") -> Weights:
    try:
        return Weights(find_vgg(read_state(path)), source, remedy)
    except ValueError as error:
        raise CheckpointError(f"{source} {error}{remedy}") from error
