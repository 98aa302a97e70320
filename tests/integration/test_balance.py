"""Runs under every balancer: from cached features, with a trained trunk, stopped and resumed, on two ranks."""

import pytest
from torch import nn
from torchvision.models import vgg

from shards.errors import ConfigurationError, Interrupted
from tests.integration.conftest import flags, records, results, train
from tests.integration.test_train import assert_same_run, stop_after
from tests.launch import Nursery, light_vgg11
from tests.unit.loop.balance.small import HAS_ECOS

WITH_FEATURES = {"model__train_from": "heads", "model__tap_grid": 2}
NEED_ALL = ("torchjd.famo", "torchjd.nash_mtl")
BALANCERS = ("equal", "uncertainty", "dwa", "famo", "pcgrad", "cagrad", "upgrad", *(("nash_mtl",) if HAS_ECOS else ()))


def options(name, **more):
    scheduler = {"scheduler__name": "mtl"} if name in NEED_ALL else {}
    return {"loss__balancer": name} | scheduler | more


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Computed by the first run."""
    return {"features__dir": tmp_path_factory.mktemp("features")} | WITH_FEATURES


@pytest.fixture(scope="module")
def unbalanced(shards, tmp_path_factory, features):
    """Scheduler -> its run without a balancer."""
    folders = {scheduler: tmp_path_factory.mktemp(scheduler) / "run" for scheduler in ("dst", "mtl")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.models.vgg11", light_vgg11)
        for scheduler, folder in folders.items():
            train(shards, folder, scheduler__name=scheduler, **features)
    return folders


@pytest.mark.parametrize("name", [f"torchjd.{name}" for name in BALANCERS])
def test_a_run_trains_stops_and_goes_on_as_if_it_had_not(shards, tmp_path, monkeypatch, features, unbalanced, name):
    chosen = options(name, **features)
    train(shards, tmp_path / "whole", **chosen)
    # The third epoch: DWA's weights differ from then on.
    stop_after(monkeypatch, [(1, 2), (2, 3)])
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(shards, tmp_path / "parts", **(chosen | {"run__if_exists": "resume"}))
    train(shards, tmp_path / "parts", run__if_exists="resume", **chosen)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    other = unbalanced["mtl" if name in NEED_ALL else "dst"]
    if name == "torchjd.equal":
        assert_same_run(tmp_path / "whole", other)
    else:
        whole, plain = (results(records(folder)) for folder in (tmp_path / "whole", other))
        assert whole[2]["loss"] != plain[2]["loss"]
        assert (whole[1]["loss"] == plain[1]["loss"]) == (name == "torchjd.dwa")


def small_vgg11_bn(**_):
    """Two layers with batch statistics, and two with dropout."""
    built = vgg.VGG(vgg.make_layers([8, "M", 8, "M"], batch_norm=True), init_weights=False)
    layers = [nn.Linear(392, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10)]
    built.classifier = nn.Sequential(*layers)
    return built


@pytest.mark.parametrize("name", ["torchjd.famo", "torchjd.pcgrad"])
def test_a_trained_trunk_with_statistics_and_dropout_goes_on_exactly(shards, tmp_path, monkeypatch, name):
    monkeypatch.setattr("torchvision.models.vgg11_bn", small_vgg11_bn)
    chosen = options(name, model__trunk="vgg11_bn", model__tap="logits", model__train_from="conv2_1", train__epochs=2)
    train(shards, tmp_path / "whole", **chosen)
    stop_after(monkeypatch, [(1, 3)])
    with pytest.raises(Interrupted):
        train(shards, tmp_path / "parts", **chosen)
    train(shards, tmp_path / "parts", run__if_exists="resume", **chosen)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


NOTED = """
import hashlib, os
from tests.integration import test_balance
from torchvision import models
models.vgg11_bn = test_balance.small_vgg11_bn
from engine.loop import trainer
evaluate = trainer.evaluate

def noted(parts, *arguments, **options):
    digest = hashlib.sha256(b"".join(buffer.numpy().tobytes() for buffer in parts.module.buffers())).hexdigest()
    print("statistics", options["split"], digest)
    return evaluate(parts, *arguments, **options)

trainer.evaluate = noted
import engine.train
engine.train.main()
"""


@pytest.mark.parametrize("name", ["none", "torchjd.famo", "torchjd.pcgrad"])
def test_ranks_evaluate_with_the_same_statistics(shards, tmp_path, name):
    chosen = options(
        name, model__trunk="vgg11_bn", model__tap="logits", model__train_from="conv2_1", train__epochs=2, report__console="quiet"
    )
    nursery = Nursery(tmp_path)
    try:
        ends = [child.finish(120) for child in nursery.start_two(flags(shards, tmp_path / "run", **chosen), NOTED)]
    finally:
        nursery.close()
    assert [(code, errors) for code, _, errors in ends] == [(0, "")] * 2
    first, second = (told.splitlines() for _, told, _ in ends)
    assert [line.split()[:2] for line in first] == [["statistics", split] for split in ("val", "val", "test")]
    assert first == second


def test_what_cannot_work_is_refused_before_features_are_computed(shards, tmp_path):
    chosen = WITH_FEATURES | {"features__dir": tmp_path / "features"}
    with pytest.raises(ConfigurationError, match=r"torchjd.pcgrad cannot train a batch in parts"):
        train(shards, tmp_path / "run", **options("torchjd.pcgrad", **chosen, train__micro_batch_size=3))
    assert not list(tmp_path.iterdir())


def test_two_ranks_train_what_one_trains(shards, tmp_path):
    chosen = options("torchjd.pcgrad", train__epochs=2, model__tap="pool2")
    nursery = Nursery(tmp_path)
    try:
        children = nursery.start_two(flags(shards, tmp_path / "two", **chosen))
        train(shards, tmp_path / "one", **chosen)
        ends = [child.finish(120) for child in children]
    finally:
        nursery.close()
    assert [code for code, _, _ in ends] == [0, 0], ends
    for one, two in zip(*(results(records(tmp_path / name)) for name in ("one", "two")), strict=True):
        if one["record"] == "EpochRecord":
            assert two["task_losses"] == pytest.approx(one["task_losses"], rel=1e-5)
        else:
            assert [metrics["loss"] for metrics in two["metrics"]] == pytest.approx(
                [metrics["loss"] for metrics in one["metrics"]], rel=1e-5
            )
