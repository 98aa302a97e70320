"""Trunk and heads."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from engine.config import DEFAULT_TASKS, ModelConfig
from engine.model.multitask import MultitaskModel, build_model, build_trunk
from shards.errors import CheckpointError, ConfigurationError

SMALL = {"trunk": "vgg11", "weights": "none", "tap": "pool3", "hidden": (16,)}


def model(tasks=("Young", "Bald", "Bangs"), **options) -> MultitaskModel:
    config = ModelConfig(**(SMALL | options))
    return build_model(config, build_trunk(config, tasks, 0), tasks, 0)


def test_the_reports_model_has_the_reports_parameters():
    built = model(DEFAULT_TASKS, trunk="vgg16", tap="logits", hidden=(64,))
    assert built.num_parameters() == (138_422_128, 64_584)
    assert built.depths() == (18,) * 8
    assert [name for name, parameter in built.named_parameters() if parameter.requires_grad][:2] == [
        "readout.shared.0.weight",
        "readout.shared.0.bias",
    ]


def test_stages_together_are_torchvisions_network(tmp_path):
    torch.manual_seed(0)
    vgg = torchvision.models.vgg13_bn(weights=None).eval()
    torch.save(vgg.state_dict(), tmp_path / "vgg.pth")
    staged = model(trunk="vgg13_bn", tap="logits", weights=str(tmp_path / "vgg.pth")).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(staged.trunk(images)["logits"], vgg(images))


@pytest.mark.parametrize(
    ("tap", "options", "shape"),
    [
        ("conv1_1", {}, (64,)),
        ("pool3", {"tap_grid": 2}, (256 * 4,)),
        ("conv5_2", {"tap_grid": 4}, (512 * 16,)),
        ("fc6", {}, (4096,)),
        ("logits", {}, (1000,)),
    ],
)
def test_taps(tap, options, shape):
    staged = model(tap=tap, **options).eval()
    with torch.no_grad():
        outputs = staged.trunk(torch.rand(1, 3, 64, 64))
    assert {name: value.shape[1:] for name, value in outputs.items()} == {tap: shape}
    assert list(staged.trunk.stages)[-1] == tap
    assert staged(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_tasks_may_read_other_stages_with_layers_of_their_own():
    staged = model(task_taps={"Bald": "conv3_1"}, tap="fc6", hidden=(16, 8))
    # vgg11: conv3_1 is the third weight layer, fc6 the ninth; two hidden layers and the head follow.
    assert staged.depths() == (12, 6, 12)
    assert staged.readout.shared is not None
    assert [len([m for m in head if isinstance(m, torch.nn.Linear)]) for head in staged.readout.heads] == [1, 3, 1]
    assert model(task_taps=dict.fromkeys(("Young", "Bald", "Bangs"), "pool2")).readout.shared is None


def test_without_hidden_layers_heads_read_the_tap():
    staged = model(hidden=(), tap_grid=2)
    assert staged.readout.heads[0][0].in_features == 256 * 4
    assert staged.depths() == (5, 5, 5)


@pytest.mark.parametrize(("train_from", "frozen"), [("heads", 4), ("conv2_1", 1), ("pool2", 2), ("all", 0)])
def test_frozen_stages_get_no_gradient_and_stay_in_evaluation_mode(train_from, frozen):
    staged = model(trunk="vgg11_bn", tap="conv3_2", train_from=train_from).train()
    statistics = {name: value.clone() for name, value in staged.named_buffers() if "running_mean" in name}
    staged(torch.rand(4, 3, 32, 32)).sum().backward()
    convolutions = [module for module in staged.trunk.modules() if isinstance(module, torch.nn.Conv2d)]
    assert [conv.weight.grad is None for conv in convolutions] == [True] * frozen + [False] * (4 - frozen)
    moved = [not torch.equal(value, statistics[name]) for name, value in staged.named_buffers() if name in statistics]
    assert moved == [False] * frozen + [True] * (4 - frozen)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": "conv3_3"}, "model.tap: there is no stage 'conv3_3'; did you mean 'conv3_"),
        ({"task_taps": {"Bald": "pol3"}}, "there is no stage 'pol3'; did you mean 'pool"),
        ({"train_from": "conv9_1"}, "model.train_from: there is no stage 'conv9_1'"),
        ({"train_from": "fc6"}, "model.train_from fc6 comes after the deepest tap pool3"),
        ({"tap": "fc6", "tap_grid": 2}, "model.tap_grid 2 has no effect: no task reads a convolutional stage"),
        ({"weights": "IMAGENET1K_V2"}, "model.weights 'IMAGENET1K_V2': no such file, and vgg11 has IMAGENET1K_V1 or none; did you mean"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        model(**options)


@pytest.mark.parametrize("where", ["weight", "bias"])
def test_a_nan_in_a_dropped_head_reaches_nothing_shared(where):
    staged = model(train_from="all")
    with torch.no_grad():
        getattr(staged.readout.heads[1][0], where).fill_(float("nan"))
    logits = staged(torch.rand(2, 3, 32, 32), torch.tensor([True, False, True]))
    assert logits.isnan().any(0).tolist() == [False, True, False]
    torch.where(torch.tensor([True, False, True]), logits.sigmoid(), 0).sum().backward()
    shared = [parameter.grad for name, parameter in staged.named_parameters() if not name.startswith("readout.heads.")]
    assert all(gradient is not None and gradient.isfinite().all() and gradient.any() for gradient in shared)


def test_what_depends_on_how_a_batch_is_split():
    assert not model(train_from="all").depends_on_batch_split()
    assert not model(trunk="vgg11_bn", train_from="heads").depends_on_batch_split()
    assert model(trunk="vgg11_bn", train_from="conv3_1").depends_on_batch_split()
    assert model(tap="fc7", train_from="fc7").depends_on_batch_split()


def test_the_frozen_digest_tells_frozen_weights_apart():
    first, same, other = (model(train_from="conv2_1") for _ in range(3))
    with torch.no_grad():
        other.trunk.stages["conv1_1"][0].bias[0] += 1
        same.readout.heads[0][0].bias[0] += 1
    assert first.trunk.frozen_digest() == same.trunk.frozen_digest() != other.trunk.frozen_digest()


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_from_a_local_file(tmp_path, suffix):
    torch.manual_seed(5)
    vgg = torchvision.models.vgg11(weights=None)
    path = tmp_path / f"vgg11.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(vgg.state_dict(), path)
    loaded = model(weights=str(path))
    assert torch.equal(loaded.trunk.stages["conv1_1"][0].weight, vgg.features[0].weight)
    with pytest.raises(CheckpointError, match="does not hold the weights of torchvision's vgg13"):
        model(trunk="vgg13", weights=str(path))


def test_a_hostile_or_damaged_weight_file_is_refused_and_runs_nothing(tmp_path):
    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self):
            return (canary.touch, ())

    for name, content in (("evil.pth", Hostile()), ("list.pth", [1, 2])):
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointError, match=name):
            model(weights=str(tmp_path / name))
    for name in ("cut.pth", "cut.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 not weights")
        with pytest.raises(CheckpointError, match=f"{name}: is damaged"):
            model(weights=str(tmp_path / name))
    assert not canary.exists()
