"""Random weights as torchvision draws them."""

import math

import pytest
import torch
import torchvision
from torch import nn

from engine.config import ModelConfig
from engine.model.multitask import build_model, build_trunk
from engine.model.weights import draw_weights
from shards.errors import CheckpointError
from tests.launch import light_vgg11

TASKS = ("Young", "Bald")


@pytest.fixture
def _light(monkeypatch):
    monkeypatch.setattr(torchvision.models, "vgg11", light_vgg11)


def drawn(module: nn.Module, seed=0) -> nn.Module:
    draw_weights(module, torch.Generator().manual_seed(seed))
    return module


def test_convolutions_are_normal_with_he_s_deviation_for_their_outputs():
    layer = drawn(nn.Sequential(nn.Conv2d(64, 200, 3)))[0]
    # sqrt(2 / (kernel area * output channels)); 115,200 draws: their deviation is known to 0.2 %, and so are the tails.
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 200)), rel=0.01)
    assert layer.weight.mean().item() == pytest.approx(0, abs=3e-4)
    share = (layer.weight.abs() > 2 * math.sqrt(2 / 1800)).float().mean().item()
    assert share == pytest.approx(0.0455, abs=0.003)
    assert not layer.bias.any()


def test_linear_layers_are_normal_with_a_hundredth():
    layer = drawn(nn.Sequential(nn.Linear(300, 400)))[0]
    assert layer.weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert not layer.bias.any()


def test_batch_normalisation_begins_as_the_identity():
    layer = drawn(nn.Sequential(nn.BatchNorm2d(5)))[0].eval()
    images = torch.rand(2, 5, 3, 3)
    assert torch.allclose(layer(images), images, atol=1e-4)


def test_a_layer_without_memory_gets_some_and_one_seed_is_one_draw():
    with torch.device("meta"):
        empty = nn.Sequential(nn.Conv2d(3, 4, 3))
    one, same, other = (drawn(nn.Sequential(nn.Conv2d(3, 4, 3)), seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(drawn(empty, 1)[0].weight, one)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def trunk_of(seed: int, **options) -> dict[str, torch.Tensor]:
    config = ModelConfig(**({"trunk": "vgg11", "weights": "none", "tap": "conv2_1"} | options))
    return build_trunk(config, TASKS, seed).state_dict()


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("_light")
def test_a_seed_of_its_own_frees_the_trunk_from_the_runs():
    assert same(trunk_of(1, weights_seed=5), trunk_of(2, weights_seed=5))
    assert not same(trunk_of(1, weights_seed=5), trunk_of(1, weights_seed=6))
    assert not same(trunk_of(1), trunk_of(2))
    assert same(trunk_of(1), trunk_of(1))
    assert same(trunk_of(1), trunk_of(2, weights_seed=1))


@pytest.mark.usefixtures("_light")
def test_stages_that_two_trunks_have_in_common_are_drawn_alike():
    """A deeper tap, or another task's, does not change what the first one sees."""
    shallow, deep = trunk_of(0), trunk_of(0, task_taps={"Bald": "conv4_1"})
    assert set(shallow) < set(deep)
    assert same(shallow, {name: deep[name] for name in shallow})


@pytest.mark.usefixtures("_light")
def test_heads_follow_the_runs_seed_and_not_the_trunks():
    def heads(seed, weights_seed):
        config = ModelConfig(trunk="vgg11", weights="none", tap="conv2_1", weights_seed=weights_seed)
        return build_model(config, build_trunk(config, TASKS, seed), TASKS, seed).readout.state_dict()

    assert same(heads(1, 5), heads(1, 6))
    assert not same(heads(1, 5), heads(2, 5))


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    config = ModelConfig(trunk="vgg11", tap="conv1_1")
    with pytest.raises(CheckpointError, match=r"model.weights IMAGENET1K_V1 for vgg11: cannot be downloaded .*get the file elsewhere"):
        build_trunk(config, TASKS, 0)
