"""Features on a GPU: computed there, kept there, trained from there. Skipped without CUDA."""

import pytest
import torch

from engine.loop.features import table as table_module
from engine.run import construction as assembly
from tests.integration.conftest import results
from tests.integration.test_features import assert_same_learning, train
from tests.waiting import watch_steps_from_features

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def tables(monkeypatch) -> list[table_module.FeatureTable]:
    """The tables that runs train from."""
    seen, opened = [], assembly.open_features

    def noted(*arguments):
        seen.append(opened(*arguments))
        return seen[-1]

    monkeypatch.setattr(assembly, "open_features", noted)
    return seen


@pytest.mark.parametrize("scheduler", ["mtl", "dst"])
def test_training_from_features_is_training_from_images(shards, tmp_path, scheduler):
    plain, cached = (
        train(shards, tmp_path / name, scheduler__name=scheduler, **options)
        for name, options in (("plain", {}), ("cached", {"features__dir": tmp_path / "features"}))
    )
    # Convolutions round to TF32, for batches of another size in another way.
    assert_same_learning(cached, plain, rel=5e-3)


def test_features_live_on_the_device_and_else_in_their_file_with_the_same_result(shards, tmp_path, tables, monkeypatch):
    resident = train(shards, tmp_path / "resident", features__dir=tmp_path / "features")
    monkeypatch.setattr(table_module, "RESIDENT_SHARE", 0.0)
    mapped = train(shards, tmp_path / "mapped", features__dir=tmp_path / "features")
    assert [{value.device.type for value in table.values.values()} for table in tables] == [{"cuda"}, {"cpu"}]
    assert results(resident) == results(mapped)


def test_a_step_from_features_costs_the_host_no_synchronisation(shards, tmp_path, monkeypatch):
    watched = watch_steps_from_features(monkeypatch, first=6)
    train(shards, tmp_path / "run", features__dir=tmp_path / "features", train__epochs=4, report__every=100)
    assert watched == list(range(6, 24))


@pytest.mark.parametrize("scheduler", ["mtl", "dst"])
def test_half_precision_learns_from_features(shards, tmp_path, scheduler):
    lines = train(
        shards, tmp_path / "run", features__dir=tmp_path / "features", scheduler__name=scheduler, train__precision="fp16", train__epochs=4
    )
    losses = [line["loss"] for line in lines if line["record"] == "EpochRecord"]
    assert losses[-1] < losses[0]
