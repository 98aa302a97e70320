"""A VGG of torchvision as a chain of named stages, from which heads can read anywhere."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d
from torchvision.models import VGG

from shards.errors import ConfigurationError, did_you_mean

FROZEN = "heads"
ALL = "all"


class StagedTrunk(nn.Module):
    """The stages of a VGG up to the deepest one that is read.

    A stage is a weight layer with its activation (`conv3_2`, `fc6`, `logits`) or a pooling (`pool3`). A tap of that name sees its output
    as a vector; a map is averaged to a grid first. Stages before `train_from` are frozen: no gradient, and always in evaluation mode (no
    dropout, fixed statistics).
    """

    def __init__(self, vgg: VGG, *, taps: Collection[str], train_from: str, grid: int = 1) -> None:
        """Take a VGG apart.

        Args:
            vgg: The network; its modules are taken over.
            taps: Stages that will be read; stages after the last of them are dropped.
            train_from: First stage that is trained, `all` or `heads`.
            grid: Side of the grid to which a map is averaged.

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
        self._grid = grid
        self.notes: tuple[str, ...] = ()
        """What was guessed when its weights were read, in words."""
        self._digests: dict[int, str] = {}
        for module in list(self.stages.values())[: self._num_frozen]:
            module.requires_grad_(requires_grad=False)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return what each tap sees, [batch, width]: the stage's features, or its map's means, channel by channel and row by row."""
        outputs: dict[str, Tensor] = {}
        value = images
        for number, (name, stage) in enumerate(self.stages.items()):
            with torch.no_grad() if number < self._num_frozen else nullcontext():
                value = stage(value)
            if name in self.taps:
                outputs[name] = adaptive_avg_pool2d(value, self._grid).flatten(1) if value.ndim == 4 else value
        return outputs

    def is_frozen(self) -> bool:
        """Return whether the same image gives the same output at any time: nothing is trained, and nothing is left to chance."""
        return self._num_frozen == len(self.stages)

    def width(self, tap: str) -> int:
        """Return the length of what a tap sees."""
        last = self._through(tap)[-1]
        return last.out_channels * self._grid**2 if isinstance(last, nn.Conv2d) else last.out_features

    def is_map(self, tap: str) -> bool:
        """Return whether a stage's output has height and width."""
        return isinstance(self._through(tap)[-1], nn.Conv2d)

    def digest(self, tap: str) -> str:
        """Return a hash of all weights and statistics from the image to a tap."""
        return self._digest(self.stages_before(tap))

    def frozen_digest(self) -> str:
        """Return a hash of the weights and statistics that training does not change."""
        return self._digest(list(self.stages)[: self._num_frozen])

    def _digest(self, names: Sequence[str]) -> str:
        # Half a gigabyte for a whole VGG16, and asked for by every run of a comparison.
        if self._num_frozen >= len(names) and len(names) in self._digests:
            return self._digests[len(names)]
        digest = hashlib.sha256()
        for name in names:
            for key, value in self.stages[name].state_dict().items():
                digest.update(f"{name}.{key}".encode())
                digest.update(value.cpu().contiguous().numpy().data)
        self._digests[len(names)] = digest.hexdigest()[:16]
        return self._digests[len(names)]

    def train(self, mode: bool = True) -> "StagedTrunk":
        """Switch between training and evaluation mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in list(self.stages.values())[: self._num_frozen]:
            module.eval()
        return self

    def num_weight_layers(self, tap: str) -> int:
        """Return the number of convolutions and linear layers from the image to a stage's output."""
        return len(self._through(tap))

    def stages_before(self, tap: str) -> list[str]:
        """Return the names of the stages from the image to a tap, its own among them."""
        names = list(self.stages)
        return names[: names.index(tap) + 1]

    def _through(self, tap: str) -> list[nn.Conv2d | nn.Linear]:
        stages = (self.stages[name] for name in self.stages_before(tap))
        return [module for stage in stages for module in stage.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _check_stage(key: str, stage: str, names: Sequence[str]) -> None:
    if stage not in names:
        raise ConfigurationError(f"model.{key}: there is no stage {stage!r}{did_you_mean(stage, names)} (stages: {', '.join(names)})")


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
