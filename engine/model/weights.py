"""A VGG of torchvision with its weights: downloaded, from a file, or drawn."""

from pathlib import Path
from pickle import UnpicklingError

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import VGG

from engine.config import ModelConfig, Trunk
from shards.errors import CheckpointError, ConfigurationError, did_you_mean


def load_vgg(config: ModelConfig) -> VGG:
    """Build the torchvision network with the configured weights; with `none` it has no memory for them before `draw_weights`.

    Raises:
        ConfigurationError: torchvision has no weights of that name for this network, and there is no such file.
        CheckpointError: The weights cannot be had, or do not fit.
    """
    build = getattr(torchvision.models, config.trunk)
    if config.weights == "none":
        # Without memory yet: most of a VGG's weights are in its last stages, and only stages that are read get any.
        with torch.device("meta"):
            return build(weights=None, init_weights=False)
    known = {member.name: member for member in torchvision.models.get_model_weights(config.trunk)}
    if config.weights in known:
        try:
            return build(weights=known[config.weights])
        except OSError as error:
            reason = f"cannot be downloaded ({error}); get the file elsewhere and pass its path, or use `none`"
            raise CheckpointError(f"model.weights {config.weights} for {config.trunk}: {reason}") from error
    path = Path(config.weights)
    if not path.is_file():
        choices = f"{config.trunk} has {', '.join(known)} or none{did_you_mean(config.weights, known)}"
        raise ConfigurationError(f"model.weights {config.weights!r}: no such file, and {choices}")
    vgg = build(weights=None, init_weights=False)
    _load_file(vgg, path, config.trunk)
    return vgg


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


def _load_file(vgg: VGG, path: Path, trunk: Trunk) -> None:
    try:
        # weights_only: a pickle may hold tensors and nothing that runs.
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, SafetensorError, UnpicklingError) as error:
        raise CheckpointError(f"model.weights {path}: cannot be read as {path.suffix or 'weights'} ({error})") from error
    try:
        vgg.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"model.weights {path}: does not hold the weights of torchvision's {trunk} ({error})") from error
