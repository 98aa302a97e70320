"""A light trunk, and the small data set opened."""

import pytest
import torchvision

from engine.config import Config, DataConfig, FeaturesConfig, ModelConfig, PipelineConfig, RunConfig, TrainConfig
from engine.data import Data, open_data
from tests.launch import light_vgg11

TASKS = ("Young", "Bald", "Bangs")


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr(torchvision.models, "vgg11", light_vgg11)


@pytest.fixture
def configure(shards, tmp_path):
    """Return a configuration; `model={"tap": "pool2"}` changes a section."""

    def build(**sections) -> Config:
        data = sections.pop("data", {})
        defaults = {
            "pipeline": {"image_size": 32, "threads": 1},
            "model": {"trunk": "vgg11", "weights": "none", "tap": "pool2"},
            "features": {"dir": tmp_path / "features"},
            "train": {"batch_size": 8},
        }
        classes = {"pipeline": PipelineConfig, "model": ModelConfig, "features": FeaturesConfig, "train": TrainConfig}
        built = {name: cls(**(defaults[name] | sections.pop(name, {}))) for name, cls in classes.items()}
        run = RunConfig(dir=tmp_path / "run", **sections.pop("run", {}))
        return Config(run=run, data=DataConfig(**({"shards": str(shards), "tasks": TASKS} | data)), **built, **sections)

    return build


@pytest.fixture
def data(configure) -> Data:
    return open_data(configure().data)
