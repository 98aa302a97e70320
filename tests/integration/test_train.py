"""Training end to end, in this process."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.command_line import parse
from engine.journal.predictions import read_predictions
from engine.loop import trainer as trainer_module
from engine.loop.metrics import split_metrics
from engine.loop.state import Position
from engine.model.multitask import build_trunk
from engine.model.standardise import Standardise
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loading_plan import Place
from engine.pipeline.order import Order
from engine.run.run import run
from shards.dataset import ShardDataset
from shards.errors import CheckpointError, ConfigurationError, DataError, DivergenceError, Interrupted
from tests.conftest import ATTRIBUTES, forget_accelerator, pack, write_celeba
from tests.integration.conftest import flags, records, results, train


@pytest.fixture(scope="module")
def reference(shards, tmp_path_factory):
    """An undisturbed run."""
    run_dir = tmp_path_factory.mktemp("runs") / "reference"
    train(shards, run_dir)
    return run_dir


def assert_same_run(run_dir, reference) -> None:
    assert results(records(run_dir)) == results(records(reference))
    weights, expected = (load_file(folder / "model.safetensors") for folder in (run_dir, reference))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)


def test_a_run_leaves_configuration_records_weights_and_report(reference):
    names = {path.name for path in reference.iterdir()}
    assert names == {"config.yaml", "records.jsonl", "model.safetensors", "predictions.npz", "summary.json", "report.html", "checkpoints"}
    kinds = [line["record"] for line in records(reference)]
    assert kinds == ["RunRecord"] + (["StepRecord"] * 3 + ["MaskRecord", "EpochRecord", "EvalRecord"]) * 3 + ["EvalRecord", "EndRecord"]
    evaluations = [line for line in records(reference) if line["record"] == "EvalRecord"]
    assert [(line["split"], line["epoch"], line["num_samples"]) for line in evaluations] == [
        ("val", 0, 13),
        ("val", 1, 13),
        ("val", 2, 13),
        ("test", 2, 15),
    ]
    assert all(metrics["num_labelled"] == line["num_samples"] for line in evaluations for metrics in line["metrics"])
    summary = json.loads((reference / "summary.json").read_text())
    assert summary


def test_predictions_are_what_the_test_metrics_were_computed_from(reference, shards):
    found, dataset = read_predictions(reference), ShardDataset(shards)
    columns = [ATTRIBUTES.index(task) for task in found.tasks]
    assert found.tasks == ("Young", "Bald", "Bangs")
    assert found.ids.tolist() == list(dataset.split_range("test"))
    assert found.labels.tolist() == dataset.labels[found.ids][:, columns].tolist()
    majority = (dataset.labels[list(dataset.split_range("train"))][:, columns].mean(0) > 0.5).tolist()
    again = split_metrics(torch.from_numpy(found.logits), torch.from_numpy(found.labels), found.tasks, majority, found.thresholds.tolist())
    recorded = next(line["metrics"] for line in records(reference) if line.get("split") == "test")
    assert [dataclasses.asdict(entry) for entry in again] == recorded


def chosen_thresholds(run_dir) -> dict[tuple[str, int], list[float]]:
    evaluations = [line for line in records(run_dir) if line["record"] == "EvalRecord"]
    return {(line["split"], line["epoch"]): [entry["threshold"] for entry in line["metrics"]] for line in evaluations}


def test_test_is_answered_at_the_thresholds_of_the_last_val_also_after_a_stop(shards, tmp_path, monkeypatch):
    options = {"report__threshold": "val", "train__epochs": 2}
    train(shards, tmp_path / "whole", **options)
    chosen = chosen_thresholds(tmp_path / "whole")
    assert chosen["test", 1] == chosen["val", 1] != chosen["val", 0]
    assert chosen["test", 1] != [0.5] * 3
    assert "threshold" in (tmp_path / "whole" / "report.html").read_text()
    # In the second epoch's val, and in test.
    for position, asked in (((1, 6), 2), ((2, 0), 2)):
        with monkeypatch.context() as patch:
            stop_after(patch, [position], asked)
            with pytest.raises(Interrupted):
                train(shards, tmp_path / "parts", run__if_exists="resume", **options)
    assert not (tmp_path / "parts" / "predictions.npz").exists()
    train(shards, tmp_path / "parts", run__if_exists="resume", **options)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert (tmp_path / "parts" / "predictions.npz").read_bytes() == (tmp_path / "whole" / "predictions.npz").read_bytes()


def test_what_a_killed_run_leaves_of_its_predictions_is_replaced(shards, tmp_path, reference):
    shutil.copytree(reference, tmp_path / "run")
    (tmp_path / "run" / ".predictions.npz.17-0123abcd.tmp").touch()
    train(shards, tmp_path / "run", run__if_exists="replace", train__epochs=1)
    assert not (tmp_path / "run" / ".predictions.npz.17-0123abcd.tmp").exists()


def test_it_learns(shards, tmp_path):
    run_dir = train_dir(shards, tmp_path, train__epochs=20, optimizer__lr=3e-4, model__tap_grid=2)
    losses = [line["loss"] for line in records(run_dir) if line["record"] == "EpochRecord"]
    assert losses[-1] < 0.6 * losses[0]


def train_dir(shards, tmp_path, **options):
    train(shards, tmp_path / "run", **options)
    return tmp_path / "run"


def test_the_same_command_gives_the_same_run_to_the_last_digit(shards, tmp_path, reference):
    assert_same_run(train_dir(shards, tmp_path), reference)
    assert results(records(train_dir(shards, tmp_path, run__seed=1, run__if_exists="replace"))) != results(records(reference))


@pytest.mark.parametrize(
    "options", [{"pipeline__prefetch": 5}, {"pipeline__threads": 2}, {"report__every": 1}, {"train__checkpoint_every": 1}]
)
def test_settings_that_must_not_matter_do_not(shards, tmp_path, reference, options):
    assert_same_run(train_dir(shards, tmp_path, **options), reference)


def test_gradient_accumulation_gives_the_same_losses(shards, tmp_path, reference):
    accumulated = results(train(shards, tmp_path / "run", train__micro_batch_size=3))
    for line, expected in zip(accumulated, results(records(reference)), strict=True):
        if line["record"] == "EpochRecord":
            assert line["task_losses"] == pytest.approx(expected["task_losses"], rel=1e-4)


def stop_after(monkeypatch, stops: list[tuple[int, int]], asked: int = 1) -> None:
    """Make the runs that follow stop at these positions, one each, as a signal would make them: when asked for the n-th time there."""
    times = [0]

    def agreed(_stop, **_):
        position = current[0].position
        times[0] += bool(stops) and (position.epoch, position.step) == stops[0]
        if times[0] < asked:
            return False
        times[0] = 0
        stops.pop(0)
        return True

    current = []
    monkeypatch.setattr(trainer_module.StopRequest, "agreed", agreed)
    monkeypatch.setattr(trainer_module.Trainer, "before", lambda self, _: current.insert(0, self))


@pytest.mark.parametrize(
    "stops",
    [[(0, 1)], [(0, 6)], [(1, 1)], [(1, 3)], [(2, 6)], [(1, 1), (1, 2), (1, 5)], [(0, 2), (1, 6), (2, 1)]],
    ids=["first-step", "last-step-of-an-epoch", "first-of-the-next", "middle", "very-last", "three-in-one-epoch", "three-epochs"],
)
def test_a_stopped_and_resumed_run_is_the_same_run(shards, tmp_path, reference, monkeypatch, stops):
    stop_after(monkeypatch, list(stops))
    for epoch, step in stops:
        with pytest.raises(Interrupted, match=rf"after {Position(epoch=epoch, step=step).in_words()}; go on with .*--run.if_exists resume"):
            train(shards, tmp_path / "run", run__if_exists="resume")
    train(shards, tmp_path / "run", run__if_exists="resume")
    assert_same_run(tmp_path / "run", reference)


@pytest.mark.parametrize(
    ("position", "asked"), [((1, 6), 2), ((1, 6), 3), ((2, 0), 1), ((3, 0), 2)], ids=["val", "late-in-val", "after-val", "test"]
)
def test_a_run_stopped_in_evaluation_is_the_same_run(shards, tmp_path, reference, monkeypatch, position, asked):
    stop_after(monkeypatch, [position], asked)
    with pytest.raises(Interrupted, match=f"after {Position(epoch=position[0], step=position[1]).in_words()};"):
        train(shards, tmp_path / "run")
    train(shards, tmp_path / "run", run__if_exists="resume")
    assert_same_run(tmp_path / "run", reference)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer__schedule": "cosine", "optimizer__warmup_steps": 4, "optimizer__weight_decay": 0.01, "optimizer__trunk_lr": 1e-4},
        {"model__trunk": "vgg11_bn", "model__train_from": "conv2_1", "optimizer__name": "adamw", "scheduler__granularity": "epoch"},
        {"model__tap": "fc7", "model__train_from": "fc7", "optimizer__name": "sgd", "augment__mirror": True, "augment__brightness": 0.2},
    ],
    ids=["schedule", "batch-norm", "dropout-and-mirror"],
)
def test_resuming_is_exact_whatever_has_a_memory(shards, tmp_path, monkeypatch, options):
    options = options | {"train__epochs": 2}
    train(shards, tmp_path / "whole", **options)
    stop_after(monkeypatch, [(1, 2), (1, 6)])
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(shards, tmp_path / "parts", **(options | {"run__if_exists": "resume"}))
    train(shards, tmp_path / "parts", run__if_exists="resume", **options)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_resuming_a_finished_run_changes_nothing(shards, tmp_path, reference):
    shutil.copytree(reference, tmp_path / "run")
    train(shards, tmp_path / "run", run__if_exists="resume")
    assert_same_run(tmp_path / "run", reference)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run__seed": 1}, "run.seed was 0, is 1"),
        ({"train__batch_size": 4}, "train.batch_size was 8, is 4"),
        ({"optimizer__lr": 0.5}, "optimizer.lr was 0.001, is 0.5"),
        ({"data__tasks": "Young Bald"}, "data.tasks was Young Bald Bangs, is Young Bald"),
        ({"scheduler__name": "mtl"}, "scheduler.name was dst, is mtl"),
        ({"report__threshold": "val"}, "report.threshold was half, is val"),
    ],
)
def test_resuming_another_run_is_refused_with_the_difference(shards, tmp_path, reference, options, message):
    shutil.copytree(reference, tmp_path / "run")
    with pytest.raises(CheckpointError, match=rf"the checkpoint belongs to another run: .*{message}"):
        train(shards, tmp_path / "run", run__if_exists="resume", **options)


def test_resuming_on_another_data_set_is_refused(tmp_path, reference):
    shutil.copytree(reference, tmp_path / "run")
    other = pack(write_celeba(tmp_path / "celeba", seed=1), tmp_path / "shards")
    with pytest.raises(CheckpointError, match=r"data set was index.npy"):
        train(other, tmp_path / "run", run__if_exists="resume")


def test_frozen_trunk_trains_only_the_heads(shards, tmp_path):
    train(shards, tmp_path / "run", model__train_from="heads", train__epochs=1)
    train(shards, tmp_path / "more", model__train_from="heads", train__epochs=2)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "more"))
    moved = {name for name in one if not torch.equal(one[name], two[name])}
    # The scales of the features are measured once, and stay.
    assert moved == {name for name in one if not name.startswith(("trunk.", "readout.scales."))}
    assert {name for name in one if name.startswith("readout.scales.")} == {"readout.scales.pool3.shift", "readout.scales.pool3.scale"}


@pytest.mark.parametrize("stored", [False, True])
def test_scales_are_those_of_the_training_split_and_are_resumed(shards, tmp_path, stored, monkeypatch):
    options = {"model__train_from": "heads", "train__epochs": 2} | ({"features__dir": tmp_path / "features"} if stored else {})
    train(shards, tmp_path / "whole", **options)
    stop_after(monkeypatch, [(1, 2)])
    with pytest.raises(Interrupted):
        train(shards, tmp_path / "run", **options)
    if not stored:
        # A resumed run takes them from its checkpoint: the trunk need not run for them once more.
        monkeypatch.setattr(Standardise, "measure", None)
    train(shards, tmp_path / "run", run__if_exists="resume", **options)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    scale = load_file(tmp_path / "whole" / "model.safetensors")
    # By hand: every training image through the trunk.
    config = parse(flags(shards, tmp_path / "none", **options))
    trunk, dataset = build_trunk(config.model, ("Young",), 0).eval(), ShardDataset(shards)
    order = Order(ids=dataset.split_range("train"), batch_size=len(dataset.split_range("train")))
    plan = build_plan(dataset, order, np.array([0]), config.pipeline, Place(rank=0, world_size=1, device=torch.device("cpu")))
    with build_loader(plan) as loader, torch.no_grad():
        seen = trunk(next(loader).images)["pool3"].double()
    deviation = seen.std(0, correction=0)
    deviation = deviation.clamp(min=0.05 * float(deviation.square().mean().sqrt()))
    assert (1 / scale["readout.scales.pool3.scale"]).numpy() == pytest.approx(deviation.numpy(), rel=0.02)
    shift = -scale["readout.scales.pool3.shift"] / scale["readout.scales.pool3.scale"]
    assert shift.numpy() == pytest.approx(seen.mean(0).numpy(), rel=0.02, abs=1e-4)


def test_features_are_left_as_they_are_where_that_is_wanted_or_the_trunk_is_trained(shards, tmp_path):
    train(shards, tmp_path / "off", model__train_from="heads", model__standardise=False, train__epochs=1)
    train(shards, tmp_path / "trained", model__train_from="conv2_1", train__epochs=1)
    for name in ("off", "trained"):
        assert not any("scales" in key for key in load_file(tmp_path / name / "model.safetensors"))


def test_bf16_trains(shards, tmp_path):
    losses = [line["loss"] for line in train(shards, tmp_path / "run", train__precision="bf16") if line["record"] == "EpochRecord"]
    assert losses[-1] < losses[0]


def test_without_val_and_test_it_says_so_and_trains(tmp_path, capsys):
    source = write_celeba(tmp_path / "celeba", num_images=24)
    names = (source / "list_eval_partition.txt").read_text().replace(" 1\n", " 0\n").replace(" 2\n", " 0\n")
    (source / "list_eval_partition.txt").write_text(names)
    shards = pack(source, tmp_path / "shards")
    with pytest.raises(ConfigurationError, match=r"report.threshold is val, but the val split is empty; use half"):
        train(shards, tmp_path / "run", report__threshold="val")
    forget_accelerator()
    lines = train(shards, tmp_path / "run", train__epochs=1)
    assert not (tmp_path / "run" / "predictions.npz").exists()
    assert not [line for line in lines if line["record"] == "EvalRecord"]
    assert "the val split is empty" in capsys.readouterr().out


def test_a_task_with_one_class_warns_and_has_no_ranking(tmp_path, capsys):
    source = write_celeba(tmp_path / "celeba", num_images=24)
    path = source / "list_attr_celeba.txt"
    header, rows = path.read_text().splitlines()[:2], path.read_text().splitlines()[2:]
    # Bald is the fifth attribute.
    path.write_text("\n".join(header + [" ".join([*row.split()[:5], "-1", *row.split()[6:]]) for row in rows]) + "\n")
    lines = train(pack(source, tmp_path / "shards"), tmp_path / "run", train__epochs=2)
    assert "task Bald has one class only in the training split" in capsys.readouterr().out
    bald = [line["metrics"][1] for line in lines if line["record"] == "EvalRecord"]
    assert [(m["auroc"], m["balanced_accuracy"], m["accuracy"] is None) for m in bald] == [(None, None, False)] * 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"data__tasks": "Young big_lip"}, ConfigurationError, "no attribute 'big_lip'; did you mean 'Big_Lips'"),
        ({"data__shards": "/nowhere"}, DataError, "/nowhere: is not a data set"),
        ({"train__batch_size": 64}, ConfigurationError, "there are 52 training samples, too few for one batch of 64"),
        ({"train__precision": "fp16"}, ConfigurationError, "train.precision fp16 needs a GPU"),
        ({"pipeline__decoder": "gpu"}, ConfigurationError, "pipeline.decoder gpu has no effect: the run is on cpu"),
        ({"optimizer__warmup_steps": 18}, ConfigurationError, "optimizer.warmup_steps is 18, but the whole run has 18 steps"),
        ({"model__tap": "pool9"}, ConfigurationError, "model.tap: there is no stage 'pool9'"),
    ],
)
def test_what_cannot_work_is_refused_in_words_and_leaves_nothing(shards, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        train(shards, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report__every": 1}, "epoch 1, step 2: the loss or gradient of task"),
        ({"report__every": 100, "train__checkpoint_every": 3}, "holds values that are not finite|the loss or gradient of task"),
        ({"train__batch_size": 52, "train__micro_batch_size": 8}, "output for task 'Young' is not finite"),
    ],
    ids=["at-a-report", "at-a-checkpoint", "in-evaluation"],
)
def test_a_run_that_diverges_stops_in_words_and_leaves_no_bad_checkpoint(shards, tmp_path, options, message):
    with pytest.raises(DivergenceError, match=message):
        train(shards, tmp_path / "run", optimizer__lr=1e30, train__epochs=1, **options)
    assert not list((tmp_path / "run").glob("checkpoints/*"))
    assert not (tmp_path / "run" / "model.safetensors").exists()
    end = records(tmp_path / "run")[-1]
    assert (end["record"], end["reason"]) == ("EndRecord", "diverged")
    assert re.search(message, end["detail"])


def test_an_existing_folder_is_not_touched_unasked(shards, tmp_path, reference):
    with pytest.raises(ConfigurationError, match=r"is not empty; add --run.if_exists resume or replace"):
        train(shards, reference)
    (tmp_path / "config.yaml").touch()
    (tmp_path / "thesis.tex").touch()
    for choice in ("resume", "replace"):
        with pytest.raises(ConfigurationError, match=r"holds no run; name another folder"):
            train(shards, tmp_path, run__if_exists=choice)
    with pytest.raises(ConfigurationError, match=r"cannot be used"):
        train(shards, tmp_path / "thesis.tex")
    shutil.copytree(reference, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match=r"holds 'notes.txt', which no run wrote"):
        train(shards, tmp_path / "run", run__if_exists="replace")
    assert (tmp_path / "thesis.tex").exists()
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_a_frozen_trunk_trains_on_noise(shards, tmp_path):
    options = {"model__train_from": "heads", "pipeline__backend": "synthetic", "train__epochs": 1}
    # Without images there are no threads to set.
    arguments = flags(shards, tmp_path / "run", **options)
    place = arguments.index("--pipeline.threads")
    run(parse(arguments[:place] + arguments[place + 2 :]))
    assert torch.equal(load_file(tmp_path / "run" / "model.safetensors")["readout.scales.pool3.scale"], torch.ones(256))
