"""Comparisons end to end: in this process, and as users start and stop them."""

import json
import os
import shutil
import signal

import pytest

from engine.compare.command import compare
from engine.loop import trainer as trainer_module
from shards.errors import ConfigurationError, DataError, DivergenceError, Interrupted
from tests.conftest import pack, write_celeba
from tests.integration.conftest import SMALL, records
from tests.launch import Nursery, light_vgg11, stands_still, wait_for

COMPARE = "import engine.compare.command; engine.compare.command.main()"
# Stands still in the middle of its first run.
HELD = """
import os, signal
from engine.loop.trainer import Trainer
def held(self, what):
    if self.position.step == 2:
        Trainer.before = lambda self, what: None
        os.kill(os.getpid(), signal.SIGSTOP)
Trainer.before = held
"""
TASKS = ("Young", "Bald")


def words(shards, out, *arguments):
    """The command line of a small comparison."""
    settings = SMALL | {"data.shards": str(shards), "train.epochs": "1", "model.train_from": "heads"}
    del settings["data.tasks"], settings["report.console"]
    given = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return [*given, "--data.tasks", *TASKS, "--out", str(out), "--bootstrap", "100", *arguments]


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)


@pytest.fixture(scope="module")
def finished(shards, tmp_path_factory):
    """A comparison of every kind of scheduler."""
    out = tmp_path_factory.mktemp("compared") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchvision.models.vgg11", light_vgg11)
        compare(words(shards, out, "--schedulers", "static", "stl", "mtl", "random", "drop_balanced", "dst", "--seeds", "2"))
    return out


def state(out):
    """Time and size of every file of the runs."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (out / "runs").rglob("*")}


def test_it_leaves_runs_figures_tables_page_and_pictures(finished):
    assert {path.name for path in finished.iterdir()} == {"runs", "results.json", "report.md", "report.html", "plots"}
    runs = {str(path.parent.relative_to(finished / "runs")) for path in finished.rglob("records.jsonl")}
    multitask = {f"{name}/seed-{seed}" for name in ("static", "mtl", "random", "drop_balanced", "dst") for seed in (0, 1)}
    assert runs == multitask | {f"stl/seed-{seed}/{task}" for seed in (0, 1) for task in TASKS}
    results = json.loads((finished / "results.json").read_text())
    assert [variant["name"] for variant in results["variants"]] == ["static", "stl", "mtl", "random", "drop_balanced", "dst"]
    assert (results["split"], results["num_samples"], results["tasks"]) == ("test", 15, list(TASKS))
    for variant in results["variants"]:
        assert len(variant["overall"]["measures"]["balanced_accuracy"]["values"]) == 2
        assert variant["seconds"]["mean"] > 0
        assert (variant["overall"]["to_baseline"] is None) == (variant["name"] == "mtl")
        assert (variant["relative_gain"] is None) == (variant["name"] == "stl")
    pictures = {path.name for path in (finished / "plots").iterdir()}
    assert {"val.png", "difference-to-stl.png", "probabilities-random.png", "active-random.png"} <= pictures
    assert "svg" in (finished / "report.html").read_text()


def test_static_has_the_weights_that_dst_had(finished):
    config = (finished / "runs/static/seed-1/config.yaml").read_text()
    assert f"weights_of: {finished / 'runs/dst/seed-1'}" in config


def test_again_it_trains_nothing_and_finds_the_same(finished, shards, capsys):
    before, results = state(finished), (finished / "results.json").read_bytes()
    compare(words(shards, finished, "--schedulers", "static", "stl", "mtl", "random", "drop_balanced", "dst", "--seeds", "2"))
    assert state(finished) == before
    assert (finished / "results.json").read_bytes() == results
    assert "14 runs, all of them present" in capsys.readouterr().out


def test_more_seeds_train_only_what_is_missing(finished, shards, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/runs/mtl/seed-1")
    before = state(tmp_path / "out")
    compare(words(shards, tmp_path / "out", "--schedulers", "mtl", "random", "--seeds", "2"))
    after = state(tmp_path / "out")
    assert {path: entry for path, entry in after.items() if path in before and path.is_file()} == {
        path: entry for path, entry in before.items() if path.is_file()
    }
    assert (tmp_path / "out/runs/mtl/seed-1/model.safetensors").exists()
    original = json.loads((finished / "results.json").read_text())["variants"]
    again = json.loads((tmp_path / "out/results.json").read_text())["variants"]
    # The run that was trained anew is the run that was there.
    assert again[0]["overall"]["measures"] == next(entry for entry in original if entry["name"] == "mtl")["overall"]["measures"]


def test_other_settings_are_refused_with_the_difference(finished, shards):
    before = state(finished)
    with pytest.raises(
        ConfigurationError, match=r"seed-0: holds a run with other settings: optimizer.lr was 0.001, is 0.5; use another --out"
    ):
        compare(words(shards, finished, "--schedulers", "mtl", "--seeds", "1", "--optimizer.lr", "0.5"))
    assert state(finished) == before


def test_data_may_move_but_not_change(finished, shards, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    command = words(shutil.copytree(shards, tmp_path / "shards"), tmp_path / "out", "--schedulers", "mtl", "--seeds", "1")
    before = state(tmp_path / "out")
    # The same data elsewhere.
    compare(command)
    assert state(tmp_path / "out") == before
    shutil.rmtree(tmp_path / "shards")
    pack(write_celeba(tmp_path / "celeba", seed=1), tmp_path / "shards")
    with pytest.raises(ConfigurationError, match=r"holds a run of other data: index.npy .*; now it is index.npy .*; use another --out"):
        compare(command)


def test_without_anything_to_evaluate_on_nothing_is_trained(tmp_path):
    source = write_celeba(tmp_path / "celeba")
    partition = source / "list_eval_partition.txt"
    partition.write_text("".join(f"{line.split()[0]} 0\n" for line in partition.read_text().splitlines()))
    with pytest.raises(DataError, match=r"^the data set has neither val nor test samples, so there is nothing to compare"):
        compare(words(pack(source, tmp_path / "shards"), tmp_path / "out", "--schedulers", "mtl", "--seeds", "1"))
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_cut_off_goes_on(finished, shards, tmp_path, monkeypatch):
    out = tmp_path / "out"
    asked = []

    def agreed(_stop, **_):
        asked.append(None)
        return len(asked) == 9

    monkeypatch.setattr(trainer_module.StopRequest, "agreed", agreed)
    command = words(shards, out, "--schedulers", "mtl", "random", "--seeds", "1")
    with pytest.raises(Interrupted, match=r"^stopped by a signal in .* seed 0; the same command goes on$"):
        compare(command)
    monkeypatch.undo()
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)
    compare(command)
    original = json.loads((finished / "results.json").read_text())["variants"]
    for variant in json.loads((out / "results.json").read_text())["variants"]:
        expected = next(entry for entry in original if entry["name"] == variant["name"])
        values = [entry["overall"]["measures"]["accuracy"]["values"][0] for entry in (variant, expected)]
        assert values[0] == values[1]


def test_settings_of_another_precision_follow_one_another(shards, tmp_path):
    compare(words(shards, tmp_path / "out", "--schedulers", "mtl", "--seeds", "1", "--sweep", "train.precision", "no", "bf16"))
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert [variant["name"] for variant in results["variants"]] == ["mtl[train.precision=no]", "mtl[train.precision=bf16]"]
    assert results["run"]["precision"] == "no"
    assert (tmp_path / "out/runs/mtl-train.precision=bf16/seed-0/model.safetensors").exists()


def test_runs_that_diverge_are_left_out_and_the_others_compared(shards, tmp_path):
    out = tmp_path / "out"
    command = words(shards, out, "--schedulers", "mtl", "dst", "--seeds", "1", "--sweep", "optimizer.lr", "0.001", "1e30")
    told = r"^mtl\[optimizer.lr=1e30\], dst\[optimizer.lr=1e30\] diverged; change their settings and remove their folders in .*out/runs, or"
    with pytest.raises(DivergenceError, match=told):
        compare(command)
    results = json.loads((out / "results.json").read_text())
    assert [variant["name"] for variant in results["variants"]] == ["mtl[optimizer.lr=0.001]", "dst[optimizer.lr=0.001]"]
    assert results["variants"][1]["baseline"] == "mtl[optimizer.lr=0.001]"
    lost = "mtl[optimizer.lr=1e30] is left out: mtl[optimizer.lr=1e30] seed 0 has no result ("
    assert results["lost"][0].startswith(lost)
    assert "is not finite" in results["lost"][0]
    assert "is left out" in (out / "report.md").read_text()
    # Again: nothing is trained, and the same is said.
    before = state(out)
    with pytest.raises(DivergenceError, match=told):
        compare(command)
    assert state(out) == before
    with pytest.raises(DivergenceError, match=r"^mtl\[optimizer.lr=1e30\] is left out: .*; nothing is left to compare$"):
        compare(words(shards, out, "--schedulers", "mtl", "--seeds", "1", "--sweep", "optimizer.lr", "1e30"))


def test_a_signal_at_the_end_of_a_run_is_not_lost(shards, tmp_path, monkeypatch):
    write = trainer_module.write_predictions

    def signalled(*arguments):
        write(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    command = words(shards, tmp_path / "out", "--schedulers", "mtl", "dst", "--seeds", "1")
    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "write_predictions", signalled)
        with pytest.raises(Interrupted, match=r"^stopped by a signal in mtl seed 0; the same command goes on$"):
            compare(command)
    before = state(tmp_path / "out")
    assert tmp_path / "out/runs/mtl/seed-0/model.safetensors" in before
    assert not (tmp_path / "out/runs/dst").exists()
    compare(command)
    assert before.items() <= {path: entry for path, entry in state(tmp_path / "out").items() if path in before}.items()


def test_a_signal_ends_it_with_75_and_the_same_command_goes_on(shards, tmp_path):
    nursery = Nursery(tmp_path)
    out = tmp_path / "out"
    command = words(shards, out, "--schedulers", "mtl", "dst", "--seeds", "1", "--train.epochs", "12", "--report.every", "1")
    try:
        child = nursery.start(command, program=COMPARE)
        wait_for(child, out / "runs/mtl/seed-0/records.jsonl", "StepRecord")
        child.send_signal(15)
        code, _, errors = child.finish()
        assert (code, errors) == (75, "error: stopped by a signal in mtl seed 0; the same command goes on\n")
        shutil.rmtree(out / "runs/dst", ignore_errors=True)
        again = nursery.start(command, program=COMPARE)
        code, told, errors = again.finish(timeout=120)
        assert (code, errors) == (0, "")
    finally:
        nursery.close()
    assert "run 1/2 mtl seed 0: goes on" in told
    assert "run 2/2 dst seed 0: starts" in told


@pytest.fixture
def shared(shards, tmp_path):
    """Two processes at one comparison, ended: the first is held in the middle of dst until the second has nothing left to do."""
    nursery = Nursery(tmp_path)
    command = words(shards, tmp_path / "out", "--schedulers", "dst", "static", "mtl", "--seeds", "1")

    def share(number):
        first = nursery.start(command, program=HELD + COMPARE)
        while not stands_still(first.pid):
            assert first.poll(0.02) is None, first.communicate()
        second = nursery.start(command, program=COMPARE)
        while "waits for" not in second.communicate()[0]:
            assert second.poll(0.02) is None, second.communicate()
        first.send_signal(number)
        return first.finish(timeout=120), second.finish(timeout=120)

    yield share
    nursery.close()


def check_shared(out, finished, *, taken_over):
    """Each run was trained once, the one that was taken over by two processes, and all as in a comparison in one process."""
    original = {variant["name"]: variant for variant in json.loads((finished / "results.json").read_text())["variants"]}
    for variant in json.loads((out / "results.json").read_text())["variants"]:
        name = variant["name"]
        assert {path.name for path in (out / f"runs/{name}").iterdir()} == {"seed-0"}
        kinds = [line["record"] for line in records(out / f"runs/{name}/seed-0")]
        assert kinds.count("RunRecord") == (2 if name == taken_over else 1)
        (value,) = variant["overall"]["measures"]["balanced_accuracy"]["values"]
        assert value == pytest.approx(original[name]["overall"]["measures"]["balanced_accuracy"]["values"][0], abs=1e-9)


def test_processes_share_the_runs(finished, shared, tmp_path):
    (code, told, errors), (other_code, told_by_other, other_errors) = shared(signal.SIGCONT)
    assert (code, errors, other_code, other_errors) == (0, "", 0, "")
    assert "run 1/3 dst seed 0: done in" in told
    assert "run 2/3 mtl seed 0: trained by another process" in told
    assert "run 2/3 mtl seed 0: done in" in told_by_other
    # static takes its weights from the run of dst.
    assert "waits for dst seed 0, which another process trains, and 1 more to go" in told_by_other
    assert "run 1/3 dst seed 0: trained by another process" in told_by_other
    assert told.splitlines()[-6:] == told_by_other.splitlines()[-6:]
    check_shared(tmp_path / "out", finished, taken_over=None)


def test_the_run_of_a_process_that_dies_is_taken_over(finished, shared, tmp_path):
    (code, _, _), (other_code, told, errors) = shared(signal.SIGKILL)
    assert (code, other_code, errors) == (-signal.SIGKILL, 0, "")
    assert "run 1/3 dst seed 0: goes on" in told
    assert "run 3/3 static seed 0: done in" in told
    check_shared(tmp_path / "out", finished, taken_over="dst")


@pytest.mark.parametrize(("said", "trunks"), [((), 1), (("--model.weights_seed", "None"), 2)])
def test_the_space_of_features_is_told_before_they_are_computed(shards, tmp_path, capsys, said, trunks):
    compare(words(shards, tmp_path / "out", "--features.dir", str(tmp_path / "features"), "--schedulers", "mtl", "--seeds", "2", *said))
    first, *lines = capsys.readouterr().out.splitlines()
    if not said:
        assert first == "all seeds share one random trunk (model.weights_seed 0); --model.weights_seed None draws one for each seed"
        first, *lines = lines
    assert first.startswith(f"features{' of 2 trunks' if said else ''} take ")
    assert len([folder for folder in (tmp_path / "features").iterdir() if folder.is_dir()]) == trunks
