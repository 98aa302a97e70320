"""A VGG of torchvision as a chain of named stages, from which heads can read anywhere."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from pickle import UnpicklingError

import torch
import torchvision
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import VGG

from engine.config import ModelConfig, Trunk
from shards.errors import CheckpointError, ConfigurationError, did_you_mean

FROZEN = "heads"
ALL = "all"


class StagedTrunk(nn.Module):
    """The stages of a VGG up to the deepest one that is read.

    A stage is a weight layer with its activation (`conv3_2`, `fc6`, `logits`) or a pooling (`pool3`); its output is what a tap of
    that name sees. Stages before `train_from` are frozen: no gradient, and always in evaluation mode (no dropout, fixed
    statistics).
    """

    def __init__(self, vgg: VGG, *, taps: Collection[str], train_from: str) -> None:
        """Take a VGG apart.

        Args:
            vgg: The network; its modules are taken over.
            taps: Stages that will be read; stages after the last of them are dropped.
            train_from: First stage that is trained, `all` or `heads`.

        Raises:
            ConfigurationError: There is no such stage.
        """
        super().__init__()
        stages = dict(_stages(vgg))
        names = list(stages)
        for tap in taps:
            _check_stage("tap", tap, names)
        self.taps = tuple(sorted(set(taps), key=names.index))
        built = names[: names.index(self.taps[-1]) + 1]
        if train_from == FROZEN:
            self._num_frozen = len(built)
        elif train_from == ALL:
            self._num_frozen = 0
        else:
            _check_stage("train_from", train_from, names)
            if train_from not in built:
                raise ConfigurationError(f"model.train_from {train_from} comes after the deepest tap {built[-1]}: nothing would train")
            self._num_frozen = built.index(train_from)
        self.stages = nn.ModuleDict({name: stages[name] for name in built})
        for module in list(self.stages.values())[: self._num_frozen]:
            module.requires_grad_(requires_grad=False)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return the output of each tapped stage: [batch, channels, height', width'] or [batch, features]."""
        outputs: dict[str, Tensor] = {}
        value = images
        for number, (name, stage) in enumerate(self.stages.items()):
            with torch.no_grad() if number < self._num_frozen else nullcontext():
                value = stage(value)
            if name in self.taps:
                outputs[name] = value
        return outputs

    def train(self, mode: bool = True) -> "StagedTrunk":
        """Switch between training and evaluation mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in list(self.stages.values())[: self._num_frozen]:
            module.eval()
        return self

    def num_weight_layers(self, tap: str) -> int:
        """Return the number of convolutions and linear layers from the image to a stage's output."""
        names = list(self.stages)
        through = (self.stages[name] for name in names[: names.index(tap) + 1])
        return sum(isinstance(module, nn.Conv2d | nn.Linear) for stage in through for module in stage.modules())

    def num_channels(self, tap: str) -> tuple[int, bool]:
        """Return a stage's number of channels or features, and whether its output is a map with height and width."""
        names = list(self.stages)
        through = [module for name in names[: names.index(tap) + 1] for module in self.stages[name].modules()]
        last = [module for module in through if isinstance(module, nn.Conv2d | nn.Linear)][-1]
        return (last.out_channels, True) if isinstance(last, nn.Conv2d) else (last.out_features, False)


def _check_stage(key: str, stage: str, names: Sequence[str]) -> None:
    if stage not in names:
        raise ConfigurationError(f"model.{key}: there is no stage {stage!r}{did_you_mean(stage, names)} (stages: {', '.join(names)})")


def load_vgg(config: ModelConfig) -> VGG:
    """Build the torchvision network with the configured weights.

    Raises:
        ConfigurationError: torchvision has no weights of that name for this network, and there is no such file.
        CheckpointError: The weights cannot be had, or do not fit.
    """
    build = getattr(torchvision.models, config.trunk)
    if config.weights == "none":
        return build(weights=None)
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


def _stages(vgg: VGG) -> Iterator[tuple[str, nn.Module]]:
    """Yield the named stages of a VGG in order; together they are the whole network."""
    block, layer, pending = 1, 1, list[nn.Module]()
    for module in vgg.features.children():
        pending.append(module)
        if isinstance(module, nn.ReLU):
            yield f"conv{block}_{layer}", nn.Sequential(*pending)
            layer, pending = layer + 1, []
        elif isinstance(module, nn.MaxPool2d):
            yield f"pool{block}", nn.Sequential(*pending)
            block, layer, pending = block + 1, 1, []
    fc6, relu6, drop6, fc7, relu7, drop7, logits = vgg.classifier.children()
    # A tap of fc6 sees what the next layer sees in evaluation: dropout belongs to the stage that follows it.
    yield "fc6", nn.Sequential(vgg.avgpool, nn.Flatten(), fc6, relu6)
    yield "fc7", nn.Sequential(drop6, fc7, relu7)
    yield "logits", nn.Sequential(drop7, logits)
