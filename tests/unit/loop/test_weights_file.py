import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torchvision.models import vgg

from engine.config import Config, DataConfig, ModelConfig, PipelineConfig, RunConfig
from engine.loop.weights_file import WEIGHTS, write_weights
from engine.model.multitask import MultitaskModel, build_model
from engine.model.trunk import StagedTrunk
from shards.errors import DataError

TASKS = ("Young", "On the left")
MODEL = ModelConfig(weights="none", tap="pool2", hidden=(3,))


@pytest.fixture
def module() -> MultitaskModel:
    """A tiny VGG of two layers, of which the first is frozen."""
    built = vgg.VGG(vgg.make_layers([4, "M", 4, "M"]), init_weights=False)
    built.classifier = nn.Sequential(nn.Linear(196, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2))
    trunk = StagedTrunk(built, taps={"pool2"}, train_from="conv2_1")
    return build_model(MODEL, trunk, TASKS, 0)


def write(folder, module, **sections) -> None:
    config = Config(run=RunConfig(dir=folder, seed=7), data=DataConfig(shards="s"), **({"model": MODEL} | sections))
    write_weights(folder, module, config, (0.5, 0.25))


def test_it_holds_what_was_trained_and_tells_what_was_not(tmp_path, module):
    write(tmp_path, module)
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]
    kept = module.state_dict(keep_vars=True)
    trained = {name: tensor for name, tensor in kept.items() if not name.startswith("trunk.stages.conv1_1")}
    # By them the features are brought to their common scale: without, the weights would be worth nothing.
    assert {"readout.scales.pool2.shift", "readout.scales.pool2.scale"} <= trained.keys()
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        assert set(file.keys()) == trained.keys()
        assert all(torch.equal(file.get_tensor(name), parameter) for name, parameter in trained.items())
        told = json.loads(file.metadata()["dropstream"])
    assert told == {
        "version": 1,
        "tasks": ["Young", "On the left"],
        "thresholds": [0.5, 0.25],
        "image_size": [224, 224],
        "mean": [0.485 * 255, 0.456 * 255, 0.406 * 255],
        "std": [0.229 * 255, 0.224 * 255, 0.225 * 255],
        "precision": "no",
        "taps": ["pool2"],
        "model": json.loads(json.dumps(dataclasses.asdict(MODEL))),
        "trunk_seed": 7,
        "frozen_weights": module.trunk.frozen_digest(),
    }


@pytest.mark.parametrize(("weights", "seed", "expected"), [("none", 3, 3), ("IMAGENET1K_V1", None, None)])
def test_it_tells_where_the_trunk_comes_from(tmp_path, module, weights, seed, expected):
    model = ModelConfig(weights=weights, weights_seed=seed, tap="pool2", hidden=(3,))
    write(tmp_path, module, model=model, pipeline=PipelineConfig(image_size="none"))
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        told = json.loads(file.metadata()["dropstream"])
    assert (told["model"]["weights"], told["trunk_seed"], told["image_size"]) == (weights, expected, None)


def test_a_disk_that_refuses_is_named_and_what_was_there_stays(tmp_path, module, monkeypatch):
    (tmp_path / WEIGHTS).write_bytes(b"before")

    def refuse(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shards.files.os.fsync", refuse)
    with pytest.raises(DataError, match=rf"{tmp_path}/{WEIGHTS}: cannot be written \(No space left .*\); make room and resume the run"):
        write(tmp_path, module)
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]
    assert (tmp_path / WEIGHTS).read_bytes() == b"before"
