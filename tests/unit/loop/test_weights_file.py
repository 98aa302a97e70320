import pytest
import torch
from safetensors import safe_open
from torch import nn
from torchvision.models import vgg

from engine.config import ModelConfig
from engine.loop.weights_file import TEMPORARY, WEIGHTS, write_weights
from engine.model.multitask import MultitaskModel, build_model
from engine.model.trunk import StagedTrunk
from shards.errors import DataError

TASKS = ("Young", "Bald")


@pytest.fixture
def module() -> MultitaskModel:
    """A tiny VGG of two layers, of which the first is frozen."""
    built = vgg.VGG(vgg.make_layers([4, "M", 4, "M"]), init_weights=False)
    built.classifier = nn.Sequential(nn.Linear(196, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2))
    trunk = StagedTrunk(built, taps={"pool2"}, train_from="conv2_1")
    return build_model(ModelConfig(tap="pool2", hidden=(3,)), trunk, TASKS, 0)


def test_it_holds_what_was_trained_and_tells_what_was_not(tmp_path, module):
    write_weights(tmp_path, module)
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]
    kept = module.state_dict(keep_vars=True)
    trained = {name: tensor for name, tensor in kept.items() if not name.startswith("trunk.stages.conv1_1")}
    # By them the features are brought to their common scale: without, the weights would be worth nothing.
    assert {"readout.scales.pool2.shift", "readout.scales.pool2.scale"} <= trained.keys()
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        assert set(file.keys()) == trained.keys()
        assert all(torch.equal(file.get_tensor(name), parameter) for name, parameter in trained.items())
        assert file.metadata() == {"tasks": "Young Bald", "frozen weights": module.trunk.frozen_digest()}


def test_a_disk_that_refuses_is_named_and_what_was_there_stays(tmp_path, module):
    (tmp_path / WEIGHTS).write_bytes(b"before")
    (tmp_path / TEMPORARY).mkdir()
    with pytest.raises(DataError, match=rf"{tmp_path}/{WEIGHTS}: cannot be written \(Is a directory\); make room and resume the run"):
        write_weights(tmp_path, module)
    assert (tmp_path / WEIGHTS).read_bytes() == b"before"
