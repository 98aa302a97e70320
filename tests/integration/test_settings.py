"""Every setting either changes a run's identity, or may change when the run is resumed."""

import shutil

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from engine.command_line import parse
from engine.config import Config
from engine.data import open_data
from engine.journal.history import read_history
from engine.run.construction import identity_before_model
from engine.run.run import run
from engine.settings import natures
from shards.dataset import ShardDataset
from shards.errors import CheckpointError, Interrupted
from tests.conftest import forget_accelerator
from tests.integration.conftest import SMALL, records, results
from tests.integration.test_own_scheduler import stop_at
from tests.integration.test_train import assert_same_run
from tests.launch import light_vgg11

FREE = {
    "run.dir": "elsewhere",
    "run.if_exists": "resume",
    "data.shards": "copy",
    "data.cache": "cache",
    "pipeline.threads": "2",
    "pipeline.prefetch": "3",
    "pipeline.check_crc": "False",
    "pipeline.on_bad_sample": "skip",
    "pipeline.max_bad_samples": "5",
    "features.dir": "others",
    "train.epochs": "3",
    "train.micro_batch_size": "4",
    "train.checkpoint_every": "2",
    "report.console": "quiet",
    "report.every": "3",
    "report.page": "False",
}
"""May change -> another value."""
DECIDING = {
    "run.seed": "1",
    "data.tasks": "Young Bald",
    "data.limit": "40",
    "data.keys": "keys.txt",
    "pipeline.backend": "torch",
    "pipeline.image_size": "40",
    "pipeline.dtype": "float16",
    "pipeline.shuffle": "window",
    "pipeline.window_shards": "2",
    "pipeline.decoder": None,
    "pipeline.hw_decoder_load": None,
    "pipeline.drop_last": "False",
    "augment.mirror": "True",
    "augment.crop": "0.5 1.0",
    "augment.crop_ratio": "0.9 1.1",
    "augment.brightness": "0.1",
    "augment.contrast": "0.1",
    "augment.saturation": "0.1",
    "augment.hue": "10",
    "model.trunk": "vgg13",
    "model.weights": "weights.pth",
    "model.weights_seed": "3",
    "model.train_from": "conv2_1",
    "model.tap": "pool2",
    "model.tap_grid": "2",
    "model.hidden": "8",
    "model.task_taps": "Bald pool2",
    "model.task_hidden": "Bald 4",
    "model.standardise": "False",
    "model.channels_last": "False",
    "model.compile": "True",
    "features.dtype": "float16",
    "features.mirrored": "True",
    "loss.pos_weight": "balanced",
    "loss.balancer": "torchjd.equal",
    "scheduler.name": "mtl",
    "scheduler.depth": "0.1",
    "scheduler.count": "0.1",
    "scheduler.incompleteness": "0.1",
    "scheduler.stagnancy": "0.1",
    "scheduler.regulariser": "0.1",
    "scheduler.count_of": "positive",
    "scheduler.granularity": "epoch",
    "scheduler.rate": "0.5",
    "scheduler.floor": "0.1",
    "scheduler.weights": None,
    "scheduler.weights_of": None,
    "scheduler.options": "at_a_time 2",
    "optimizer.name": "sgd",
    "optimizer.lr": "0.5",
    "optimizer.trunk_lr": "0.5",
    "optimizer.weight_decay": "0.1",
    "optimizer.schedule": "cosine",
    "optimizer.warmup_steps": "1",
    "train.batch_size": "16",
    "train.precision": "bf16",
    "report.threshold": "val",
}
"""Decides the result -> another value. None: a GPU's, and weights whose values the scheduler's state is compared by."""
LAMBDAS = ("depth", "count", "incompleteness", "stagnancy", "regulariser")
BESIDE = {
    "pipeline.dtype": {"train.precision": "bf16"},
    "pipeline.window_shards": {"pipeline.shuffle": "window"},
    "augment.crop_ratio": {"augment.crop": "0.5 1.0"},
    "features.dtype": {"features.dir": "features", "model.train_from": "heads"},
    "features.mirrored": {"features.dir": "features", "model.train_from": "heads", "augment.mirror": "True"},
    "scheduler.rate": {"scheduler.name": "random"},
    "scheduler.floor": {"scheduler.name": "drop_balanced"},
    "scheduler.options": {"scheduler.name": "tests.round_robin:RoundRobin"},
    **{f"scheduler.{key}": {"scheduler.regulariser": "0.3"} for key in LAMBDAS[:-1]},
    "scheduler.regulariser": {"scheduler.depth": "0.3"},
}
"""What else has to be set before a setting can change; of the five weights, what keeps their sum, in the changed configuration only."""


def words(shards, settings: dict[str, str]) -> list[str]:
    merged = SMALL | {"data.shards": str(shards), "run.dir": "run"} | settings
    return [word for name, value in merged.items() for word in (f"--{name}", *value.split())]


def identity(shards, settings: dict[str, str]) -> dict[str, str]:
    config = parse(words(shards, settings))
    forget_accelerator()
    return identity_before_model(config, Accelerator(cpu=True), open_data(config.data))


def test_every_setting_is_of_one_kind():
    assert FREE.keys() | DECIDING.keys() == natures(Config).keys()
    assert not FREE.keys() & DECIDING.keys()


@pytest.mark.parametrize("name", [name for name, value in DECIDING.items() if value is not None])
def test_what_decides_the_result_changes_the_identity(shards, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    dataset = ShardDataset(shards)
    (tmp_path / "keys.txt").write_text("".join(f"{dataset.key(number)}\n" for number in list(dataset.split_range("train"))[:40]))
    beside = BESIDE.get(name, {})
    # The five weights have to sum to 1: another one changes with each.
    # So have mirrored features and mirroring.
    together = name == "features.mirrored" or name.removeprefix("scheduler.") in LAMBDAS
    before = identity(shards, {} if together else beside)
    after = identity(shards, beside | {name: DECIDING[name]})
    assert before != after


@pytest.mark.parametrize("name", [name for name in FREE if name not in ("data.cache", "pipeline.max_bad_samples")])
def test_what_may_change_is_no_part_of_the_identity(shards, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shards, tmp_path / "copy")
    beside = {"features.dir": "features", "model.train_from": "heads"} if name.startswith("features.") else {}
    assert identity(shards, beside) == identity(shards, beside | {name: FREE[name]})


def test_all_of_it_may_change_when_a_run_goes_on(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)
    shutil.copytree(shards, tmp_path / "copy")
    frozen = {"model.train_from": "heads", "optimizer.lr": "0.01"}

    def train(settings):
        forget_accelerator()
        run(parse(words(shards, frozen | settings)))

    train({"run.dir": "whole", "features.dir": "features"})
    with monkeypatch.context() as patch:
        stop_at(patch, 1, 3)
        with pytest.raises(Interrupted):
            train({"features.dir": "features", "train.epochs": "2"})
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    # Another micro batch is another pass for features; a cache needs a URL.
    changed = {name: value for name, value in FREE.items() if name not in ("data.cache", "train.micro_batch_size")}
    train(changed)
    assert_same_run(tmp_path / "elsewhere", tmp_path / "whole")


@pytest.mark.parametrize("kept", [True, False], ids=["checkpoints", "no-checkpoints"])
def test_a_finished_run_is_extended_under_a_constant_rate(shards, tmp_path, monkeypatch, kept):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)

    def train(**settings):
        forget_accelerator()
        run(parse(words(shards, {name.replace("__", "."): value for name, value in settings.items()})))
        return tmp_path / settings.get("run__dir", "run")

    folder = train(train__epochs="2")
    if not kept:
        shutil.rmtree(folder / "checkpoints")
        with pytest.raises(CheckpointError, match=r"finished after 2 epochs, and its checkpoints are gone, and train.epochs is 3; name"):
            train(train__epochs="3", run__if_exists="resume")
        return
    with pytest.raises(CheckpointError, match=r"its run is finished after 2 epochs, and train.epochs is 1; name another folder"):
        train(train__epochs="1", run__if_exists="resume")
    with pytest.raises(CheckpointError, match=r"optimizer.schedule was constant, is cosine"):
        train(train__epochs="3", run__if_exists="resume", optimizer__schedule="cosine")
    train(train__epochs="3", run__if_exists="resume")
    assert_same_run_but_for_a_test(folder, train(run__dir="whole"))
    history = read_history(folder)
    train(train__epochs="4", run__if_exists="resume", train__micro_batch_size="4")
    assert [record.epoch for record in history.split("test")] == [1, 2]
    assert history.trained_tasks().shape == (18, 3)


def test_epochs_stay_under_a_rate_that_depends_on_them(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)
    cosine = {"optimizer.schedule": "cosine", "train.epochs": "1"}
    run(parse(words(shards, cosine)))
    forget_accelerator()
    with pytest.raises(CheckpointError, match=r"train.epochs, to which the curve of the learning rate belongs, was 1, is 2; restore"):
        run(parse(words(shards, cosine | {"train.epochs": "2", "run.if_exists": "resume"})))


def test_a_run_is_not_cut_below_what_it_has_done(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)
    with monkeypatch.context() as patch:
        stop_at(patch, 1, 3)
        with pytest.raises(Interrupted):
            run(parse(words(shards, {})))
    forget_accelerator()
    with pytest.raises(
        CheckpointError, match=r"epoch-000001-step-00000003: has done 1 epoch and 3 steps, and train.epochs is 1; give at least as many"
    ):
        run(parse(words(shards, {"train.epochs": "1", "run.if_exists": "resume"})))


def assert_same_run_but_for_a_test(folder, whole) -> None:
    weights, expected = (load_file(path / "model.safetensors") for path in (folder, whole))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    kept = [record for record in results(records(folder)) if (record.get("split"), record["epoch"]) != ("test", 1)]
    assert kept == results(records(whole))
