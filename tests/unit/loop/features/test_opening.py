"""What may be computed once, and what may not."""

import pytest
import torch
from torchvision.models import vgg

from engine.loop.features.opening import check_cachable, feature_stores
from engine.model.trunk import StagedTrunk
from shards.errors import ConfigurationError


def trunk(layers, train_from: str, tap: str) -> StagedTrunk:
    """A VGG of few channels."""
    built = vgg.VGG(vgg.make_layers(layers, batch_norm=True), num_classes=4, init_weights=False)
    return StagedTrunk(built, taps=[tap], train_from=train_from)


TINY = [2, "M", 3, "M", 512]


def test_a_frozen_trunk_may_be_computed_once():
    with torch.device("meta"):
        for tap in ("conv2_1", "logits"):
            check_cachable(trunk(TINY, "heads", tap))


@pytest.mark.parametrize(
    ("train_from", "tap", "message"),
    [
        ("fc7", "fc7", r"stages\.fc7\.0 of the trunk depends on chance or on the batch"),
        ("conv2_1", "pool2", r"stages\.conv2_1\.1 of the trunk depends on chance or on the batch"),
        ("fc6", "fc6", r"a part of the trunk is trained, so features computed once would be wrong"),
    ],
    ids=["dropout", "batch-norm", "weights"],
)
def test_one_that_is_alive_may_not(train_from, tap, message):
    with torch.device("meta"), pytest.raises(ConfigurationError, match=rf"features.dir: {message}"):
        check_cachable(trunk(TINY, train_from, tap))


def test_a_frozen_stage_that_is_woken_up_is_noticed():
    """Somebody's own trunk, which does not keep its frozen stages in evaluation mode."""

    class Awake(StagedTrunk):
        def train(self, mode=True):
            return torch.nn.Module.train(self, mode)

    with torch.device("meta"):
        built = vgg.VGG(vgg.make_layers(TINY, batch_norm=False), num_classes=4, init_weights=False)
        awake = Awake(built, taps=["fc7"], train_from="heads")
        with pytest.raises(ConfigurationError, match=r"features.dir: stages\.fc7\.0 of the trunk"):
            check_cachable(awake)


def test_nothing_is_made_for_a_trunk_that_is_alive(configure, data, tmp_path):
    with torch.device("meta"):
        alive = trunk(TINY, "conv2_1", "pool2")
    with pytest.raises(ConfigurationError):
        feature_stores(configure(), data, alive, torch.device("cpu"))
    assert not (tmp_path / "features").exists()
