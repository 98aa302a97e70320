"""The program as users start it: another process, the real launcher, real signals."""

import os
import shutil
import signal
import subprocess

import pytest
import torch
from safetensors.torch import load_file

from tests.integration.conftest import flags, records, results
from tests.launch import ONE, PLAIN, ROOT, TWO, finish, start, wait_for


def test_two_processes_train_the_same_batches_to_the_same_losses(shards, tmp_path):
    options = {"model__train_from": "heads", "model__tap_grid": 2, "train__epochs": 2, "pipeline__drop_last": False}
    lines = {}
    for name, launcher in (("one", ONE), ("two", TWO)):
        code, out, err = finish(start(launcher, flags(shards, tmp_path / name, **options)))
        assert code == 0, err
        lines[name] = records(tmp_path / name)
        assert f"× {1 if name == 'one' else 2}" in out
    assert [line["world_size"] for line in (lines["one"][0], lines["two"][0])] == [1, 2]
    for one, two in zip(results(lines["one"]), results(lines["two"]), strict=True):
        if one["record"] == "EpochRecord":
            assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
            assert two["task_losses"] == pytest.approx(one["task_losses"], rel=1e-5)
            assert two["active_shares"] == one["active_shares"]
        else:
            assert [metrics["num_labelled"] for metrics in two["metrics"]] == [one["num_samples"]] * 3
            assert [metrics["loss"] for metrics in two["metrics"]] == pytest.approx(
                [metrics["loss"] for metrics in one["metrics"]], rel=1e-5
            )
    steps = [[line["active"] for line in lines[name] if line["record"] == "StepRecord"] for name in ("one", "two")]
    assert steps[0] == steps[1]


def test_a_run_of_two_processes_goes_on_in_one(shards, tmp_path):
    options = {"train__epochs": 2, "train__checkpoint_every": 3, "train__micro_batch_size": 2, "report__every": 1}
    for name, launcher in (("one", PLAIN), ("two", TWO)):
        code, _, err = finish(start(launcher, flags(shards, tmp_path / name, **options)))
        assert code == 0, err
    # As if the two had been killed in the middle of the second epoch.
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "epoch-000002-step-00000000")
    code, _, err = finish(start(PLAIN, flags(shards, tmp_path / "two", run__if_exists="resume", **options)))
    assert code == 0, err
    epochs = [[line for line in results(records(tmp_path / name)) if line["record"] == "EpochRecord"] for name in ("one", "two")]
    assert len(epochs[0]) == len(epochs[1]) == 2
    for one, two in zip(*epochs, strict=True):
        assert two["task_losses"] == pytest.approx(one["task_losses"], rel=1e-5)
        assert two["active_shares"] == one["active_shares"]


def test_a_launcher_that_is_terminated_takes_the_training_with_it(shards, tmp_path):
    launcher = start(ONE, flags(shards, tmp_path / "run", train__epochs=1000, report__every=1))
    journal = tmp_path / "run" / "records.jsonl"
    wait_for(launcher, journal, '"StepRecord", "epoch": 1')
    launcher.send_signal(signal.SIGTERM)
    finish(launcher)
    # The pipes are closed only when the training, too, has ended.
    assert '"EndRecord", "reason": "stopped"' in journal.read_text()
    assert list((tmp_path / "run" / "checkpoints").glob("epoch-*"))


@pytest.fixture(scope="module")
def undisturbed(shards, tmp_path_factory):
    """Options of a run that is long enough to be stopped in, and its folder when nobody stops it."""
    options = {"train__epochs": 15, "report__every": 1}
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    command = [*PLAIN, str(ROOT / "engine" / "train.py"), *flags(shards, run_dir, **options)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=240)
    return options, run_dir


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_with_75_and_the_resumed_run_is_the_same(shards, tmp_path, undisturbed, number):
    options, whole = undisturbed
    process = start(PLAIN, flags(shards, tmp_path / "run", **options))
    wait_for(process, tmp_path / "run" / "records.jsonl", '"StepRecord", "epoch": 2')
    process.send_signal(number)
    code, _, err = finish(process)
    assert code == 75
    assert err.startswith("error: stopped by a signal after ")
    assert len(err.splitlines()) == 1
    assert finish(start(PLAIN, flags(shards, tmp_path / "run", run__if_exists="resume", **options)))[0] == 0
    assert results(records(tmp_path / "run")) == results(records(whole))
    weights, expected = (load_file(folder / "model.safetensors") for folder in (tmp_path / "run", whole))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"data__shards": "nowhere"}, 3, "error: nowhere: is not a data set (no manifest.json); make one with tools/make_shards"),
        ({"data__tasks": "Yuong"}, 2, "error: data.tasks: the data set has no attribute 'Yuong'; did you mean 'Young'?"),
        ({"train__epoch": 3}, 2, "error: unknown option '--train.epoch'; did you mean 'train.epochs'?"),
        ({"model__weights": "weights.pth"}, 4, "weights.pth: is no file of weights; it begins with b'no weights'"),
    ],
)
def test_errors_are_one_line_with_the_documented_code(shards, tmp_path, options, code, message):
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    if "model__weights" in options:
        options = {"model__weights": tmp_path / "weights.pth"}
    returned, out, err = finish(start(PLAIN, flags(shards, tmp_path / "run", **options)))
    assert (returned, len(err.splitlines()), out) == (code, 1, "")
    assert message in err
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_debug_shows_where_it_came_from(shards, tmp_path):
    arguments = [*flags(shards, tmp_path / "run", data__shards="nowhere"), "--debug"]
    code, _, err = finish(start(PLAIN, arguments))
    assert code == 1
    assert "Traceback" in err
    assert "DataError: nowhere: is not a data set" in err


def test_help_tells_every_setting():
    code, out, _ = finish(start(PLAIN, ["--help"]))
    assert code == 0
    assert "--train.batch_size" in out
    assert "Samples per optimiser step over all ranks" in out
