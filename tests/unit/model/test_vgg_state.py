"""Weights in the wrappings in which people have them."""

import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from engine.config import ModelConfig
from engine.model.multitask import build_trunk
from engine.model.trunk import StagedTrunk
from shards.errors import CheckpointError

TASKS = ("Young", "Bald")
NETWORK = {
    "features.0.weight": torch.randn(64, 3, 3, 3),
    "features.0.bias": torch.randn(64),
    "features.3.weight": torch.randn(128, 64, 3, 3),
    "features.3.bias": torch.randn(128),
}
"""A VGG11 up to its second convolution."""

OTHER = {name: tensor + 1 for name, tensor in NETWORK.items()}


def prefixed(prefix, network=NETWORK):
    return {prefix + name: tensor for name, tensor in network.items()}


@pytest.fixture
def load(tmp_path):
    """Return what builds a trunk of a file with this content."""

    def load(content, *, file="weights.pth", **options) -> StagedTrunk:
        path = tmp_path / file
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            torch.save(content, path)
        settings = {"trunk": "vgg11", "tap": "conv2_1"} | options
        return build_trunk(ModelConfig(weights=str(path), **settings), TASKS, 0)

    return load


def refusal(load, content, **options) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(content, **options)
    message = str(caught.value)
    assert len(message) < 400
    assert "\n" not in message
    assert "weights_only" not in message
    return message.partition(": ")[2]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (NETWORK, None),
        (prefixed("module."), "without 'module.' in their names"),
        (prefixed("_orig_mod."), "without '_orig_mod.' in their names"),
        (prefixed("module._orig_mod."), "without '_orig_mod.' in their names"),
        (prefixed("model."), "without 'model.' before their names"),
        (prefixed("module.backbone."), "without 'module.' in their names and without 'backbone.' before their names"),
        # Where only the convolutions ran on several GPUs, as in torch's own example for VGGs.
        ({name.replace("features.", "features.module."): tensor for name, tensor in NETWORK.items()}, "without 'module.' in their names"),
        ({name.removeprefix("features."): tensor for name, tensor in NETWORK.items()}, None),
        ({"state_dict": NETWORK, "epoch": 3}, "under 'state_dict'"),
        ({"state_dict": prefixed("module."), "epoch": 3, "best": 0.5}, "under 'state_dict' and without 'module.' in their names"),
        ({"model": NETWORK, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}}, "under 'model'"),
        ({"model_state_dict": NETWORK}, "under 'model_state_dict'"),
        # The same twice is no choice.
        ({"state_dict": NETWORK, "ema": NETWORK}, "under 'state_dict'"),
        ({"ema": {"module": NETWORK, "decay": 0.99}}, "under 'ema.module'"),
        (prefixed("module.") | {"n_averaged": torch.tensor(7)}, "without 'module.' in their names"),
        (prefixed("model.") | {"criterion.weight": torch.zeros(2)}, "without 'model.' before their names"),
        (NETWORK | {"classifier.weight": torch.zeros(10, 512)}, None),
        (NETWORK | {"classifier.6.weight": torch.zeros(10, 4096)}, "the network has 10 logits"),
    ],
)
def test_wrappings_are_taken_off_and_told(load, content, note):
    trunk = load(content)
    assert [torch.equal(value, expected) for value, expected in zip(trunk.state_dict().values(), NETWORK.values(), strict=True)] == [
        True
    ] * 4
    told = " ".join(trunk.notes)
    assert (note in told and "model.weights " in told) if note else not told


@pytest.mark.parametrize("content", [NETWORK, prefixed("module.")])
def test_a_files_name_does_not_matter(load, tmp_path, content):
    save_file(content, tmp_path / "odd.pth")
    torch.save(content, tmp_path / "odd.safetensors")
    for name in ("odd.pth", "odd.safetensors"):
        assert torch.equal(load(None, file=name).state_dict()["stages.conv1_1.0.bias"], NETWORK["features.0.bias"])


def test_numbers_of_other_lengths_become_float32(load):
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        loaded = load({name: tensor.to(dtype) for name, tensor in NETWORK.items()}).state_dict()["stages.conv1_1.0.bias"]
        assert loaded.dtype == torch.float32
        assert torch.equal(loaded, NETWORK["features.0.bias"].to(dtype).float())


def test_a_network_of_other_classes_serves_every_stage(load):
    torch.manual_seed(0)
    with torch.device("meta"):
        vgg = torchvision.models.vgg11(weights=None, num_classes=7)
    state = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in vgg.state_dict().items()}
    assert load(state, tap="logits").width("logits") == 7


def test_a_trained_stage_trains(load):
    trunk = load(NETWORK, train_from="conv2_1")
    assert [parameter.requires_grad for parameter in trunk.parameters()] == [False, False, True, True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, expected tensors by name"),
        (torch.zeros(3), "holds a Tensor, expected tensors by name"),
        ({"epoch": 3}, "holds no VGG as torchvision names its weights (features.0.weight …): there is no tensor in it"),
        ({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(2)}, "its names are 'conv1.weight', 'fc.weight' …"),
        ({"conv1_1.weight": NETWORK["features.0.weight"]}, "its names are 'conv1_1.weight' …"),
        (
            {"model": NETWORK, "ema": prefixed("module.", OTHER)},
            "holds the weights of 2 networks, at 'model' and 'ema'; save those you mean",
        ),
        (prefixed("student.") | prefixed("teacher.", OTHER), "holds the weights of 2 networks, at 'student' and 'teacher'"),
        (
            NETWORK | {"features.3.bias": torch.zeros(64)},
            "does not hold the weights of torchvision's vgg11: features.3.bias is 64, expected 128",
        ),
        ({"features.0.weight": NETWORK["features.0.weight"]}, "torchvision's vgg11: features.0.bias is missing"),
        (NETWORK | {"features.1.running_mean": torch.zeros(64)}, "torchvision's vgg11, which has no features.1.running_mean"),
        (NETWORK | {"features.3.bias": torch.full((128,), torch.nan)}, "holds NaN or infinite values in features.3.bias"),
        (NETWORK | {"features.3.weight": torch.full((128, 64, 3, 3), torch.inf)}, "holds NaN or infinite values in features.3.weight"),
        (NETWORK | {"features.0.weight": torch.ones(64, 3, 3, 3, dtype=torch.int8)}, "holds features.0.weight as int8, expected plain"),
        pytest.param(
            NETWORK | {"features.0.bias": torch.zeros(64).to_sparse()},
            "holds features.0.bias as sparse_coo",
            marks=pytest.mark.filterwarnings("ignore:Validating sparse"),
        ),
    ],
)
def test_what_does_not_fit_is_named(load, content, message):
    assert message in refusal(load, content)


@pytest.mark.parametrize("name", ["vgg11_bn", "vgg13", "vgg19"])
def test_another_vgg_is_recognised(load, name):
    with torch.device("meta"):
        features = getattr(torchvision.models, name)(weights=None, init_weights=False).features
    state = {f"features.{key}": torch.zeros(()).expand(tensor.shape) for key, tensor in features.state_dict().items()}
    assert f"it is a {name}: model.trunk {name}" in refusal(load, state)


def test_statistics_are_taken_too_and_old_files_have_no_counter(load):
    with torch.device("meta"):
        features = torchvision.models.vgg11_bn(weights=None, init_weights=False).features
    state = {f"features.{key}": torch.full(tensor.shape, 2.5) for key, tensor in features.state_dict().items() if "num_batches" not in key}
    loaded = load(state, trunk="vgg11_bn", tap="conv1_1").state_dict()
    assert torch.equal(loaded["stages.conv1_1.1.running_var"], torch.full((64,), 2.5))
    assert loaded["stages.conv1_1.1.num_batches_tracked"] == 0


class Network(torch.nn.Module):
    """Somebody's own."""

    def __init__(self) -> None:
        """Build a layer."""
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3))


@pytest.mark.parametrize("new", [True, False])
def test_pickles_of_other_things_are_named(load, tmp_path, new):
    for content, message in (
        (Network(), "holds a whole model, not weights; save its weights alone: torch.save(model.state_dict(), 'weights.pth')"),
        ({"state_dict": NETWORK, "args": SimpleNamespace(lr=1)}, "holds Python objects beside the weights (types.SimpleNamespace)"),
    ):
        torch.save(content, tmp_path / "weights.pth", _use_new_zipfile_serialization=new)
        # A file from before torch 1.6 names its first class alone: the model's own.
        expected = message if new or not isinstance(content, Network) else "holds Python objects beside the weights"
        assert expected in refusal(load, None)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript_is_named(load, tmp_path):
    torch.jit.script(torch.nn.Conv2d(3, 64, 3)).save(str(tmp_path / "weights.pth"))
    assert "is TorchScript, a program and not weights" in refusal(load, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>quota exceeded", "is a web page or another text, no weights (a failed download?)"),
        (b"\n<?xml version='1.0'?><Error>", "is a web page or another text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS and not the file"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes it"),
        (b"\x1f\x8b\x08", "is gzip-compressed; unpack it first"),
        (b"PK\x03\x04 and the rest is missing", "is damaged: the end of a .pth file is missing"),
        (b"\x80\x02 and the rest is missing", "is damaged: a .pth file that cannot be unpickled"),
        (b"\x00" * 100, r"is no file of weights; it begins with b'\x00\x00"),
        ((1000).to_bytes(8, "little") + b'{"a":', "is damaged: a .safetensors file that ends in its header"),
        ((2).to_bytes(8, "little") + b"{{" + bytes(10), "is damaged: a .safetensors file, but"),
    ],
)
def test_what_is_no_weights_is_called_what_it_is(load, content, message):
    assert message in refusal(load, content)


def test_archives_of_other_things_are_named(load, tmp_path):
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as archive:
        archive.writestr("arr_0.npy", b"")
    assert "is a ZIP archive of NumPy arrays" in refusal(load, None)
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as archive:
        archive.writestr("readme.txt", b"")
    assert "is a ZIP archive of no weights" in refusal(load, None)


def test_a_cut_or_flipped_file_is_damaged(load, tmp_path):
    torch.save(NETWORK, tmp_path / "whole.pth")
    data = (tmp_path / "whole.pth").read_bytes()
    assert "is damaged" in refusal(load, data[: len(data) // 2])
    save_file(NETWORK, tmp_path / "whole.safetensors")
    data = (tmp_path / "whole.safetensors").read_bytes()
    assert "is damaged: a .safetensors file, but" in refusal(load, data[:-1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>quota exceeded</html>", "is a web page"),
        (b"", "is empty"),
        (NETWORK, "is missing"),
        ([1], "holds a list"),
    ],
)
def test_the_file_that_torch_keeps_is_named_with_what_to_do(monkeypatch, tmp_path, content, message):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "vgg11-8a719046.pth"
    path.parent.mkdir(parents=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError) as caught:
        build_trunk(ModelConfig(trunk="vgg11", weights="IMAGENET1K_V1", tap="pool3"), TASKS, 0)
    assert str(caught.value).startswith(f"model.weights IMAGENET1K_V1 for vgg11: {path} ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("; delete it and start again")


def test_torchvisions_weights_are_read_where_torch_keeps_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "vgg11-8a719046.pth"
    path.parent.mkdir(parents=True)
    # As torch wrote it when these files were made.
    torch.save(NETWORK, path, _use_new_zipfile_serialization=False)
    trunk = build_trunk(ModelConfig(trunk="vgg11", weights="IMAGENET1K_V1", tap="conv2_1"), TASKS, 0)
    assert torch.equal(trunk.state_dict()["stages.conv2_1.0.bias"], NETWORK["features.3.bias"])
    assert trunk.notes == ()


def test_convolutions_alone_serve_no_stage_behind_them(load):
    with torch.device("meta"):
        features = torchvision.models.vgg11(weights=None, init_weights=False).features
    state = {f"features.{key}": torch.zeros(()).expand(tensor.shape) for key, tensor in features.state_dict().items()}
    message = refusal(load, state, tap="fc6")
    assert "classifier.0.weight is missing; its convolutions are that network's: set model.tap to one of their stages" in message


def test_tensors_without_values_are_named(load):
    assert "holds no values: features.0.weight is a tensor of the meta device" in refusal(
        load, {name: tensor.to("meta") for name, tensor in NETWORK.items()}
    )


@pytest.mark.parametrize("new", [True, False])
def test_no_damage_ends_in_a_traceback(load, tmp_path, new):
    torch.save({"features.0.weight": torch.randn(64, 3, 3, 3)}, tmp_path / "whole.pth", _use_new_zipfile_serialization=new)
    data = (tmp_path / "whole.pth").read_bytes()
    chance = np.random.default_rng(0)
    for cut in chance.integers(1, len(data), 60).tolist():
        refusal(load, data[:cut])
    for place in chance.integers(0, min(len(data), 600), 60).tolist():
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(chance.integers(8))
        # Not every flip is seen, and this file lacks most of a VGG anyway.
        refusal(load, bytes(flipped))
