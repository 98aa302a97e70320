import dataclasses
import shutil

import pytest

from engine.command_line import to_yaml
from engine.compare.run_state import state_of
from engine.journal.predictions import PREDICTIONS
from engine.settings import differences
from shards.errors import ConfigurationError, DataError
from tests.unit.compare.runs import DATA, TASKS, plan_of, write_run


@pytest.fixture
def run(tmp_path):
    """A planned run of mtl."""
    return plan_of(tmp_path / "out", "--schedulers", "mtl", "--seeds", "1")[1].runs[0]


def changed(run, section, **fields):
    """The same run with other settings."""
    config = dataclasses.replace(run.config, **{section: dataclasses.replace(getattr(run.config, section), **fields)})
    return dataclasses.replace(run, config=config)


def test_absent_unfinished_finished(run):
    assert state_of(run, DATA) == "absent"
    run.config.run.dir.mkdir(parents=True)
    assert state_of(run, DATA) == "absent"
    # What a process leaves that is killed before it has begun.
    (run.config.run.dir / ".lock").touch()
    assert state_of(run, DATA) == "absent"
    shutil.rmtree(run.config.run.dir)
    write_run(run, TASKS, finished=False)
    assert state_of(run, DATA) == "unfinished"
    shutil.rmtree(run.config.run.dir)
    write_run(run, TASKS)
    assert state_of(run, DATA) == "finished"
    shutil.rmtree(run.config.run.dir)
    write_run(run, TASKS, diverged="epoch 0")
    assert state_of(run, DATA) == "diverged"


def test_a_run_that_has_only_begun_goes_on(run):
    run.config.run.dir.mkdir(parents=True)
    (run.config.run.dir / "records.jsonl").touch()
    assert state_of(run, DATA) == "unfinished"


def test_without_its_answers_a_run_is_not_finished(run):
    write_run(run, TASKS)
    (run.config.run.dir / PREDICTIONS).unlink()
    assert state_of(run, DATA) == "unfinished"


def test_another_setting_is_named_and_nothing_touched(run):
    write_run(run, TASKS)
    other = changed(run, "optimizer", lr=0.01)
    with pytest.raises(ConfigurationError, match=r"seed-0: holds a run with other settings: optimizer.lr was 0.001, is 0.01; use another"):
        state_of(other, DATA)
    assert state_of(run, DATA) == "finished"


def test_a_run_of_other_data_is_refused(run):
    write_run(run, TASKS)
    with pytest.raises(ConfigurationError, match=r"seed-0: holds a run of other data: index.npy 0123, train 0 to 51; now it is"):
        state_of(run, "index.npy 4567, train 0 to 31")


def test_what_does_not_decide_the_result_may_differ(run):
    write_run(run, TASKS)
    assert state_of(changed(changed(run, "report", every=3, page=True), "run", if_exists="resume"), DATA) == "finished"
    with pytest.raises(ConfigurationError, match=r"report.threshold was half, is val"):
        state_of(changed(run, "report", threshold="val"), DATA)


def test_a_path_may_be_written_otherwise(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = changed(run, "model", weights="vgg.pth").config
    assert list(differences(before, changed(run, "model", weights=str(tmp_path / "vgg.pth")).config)) == []
    assert list(differences(before, changed(run, "model", weights="other.pth").config)) == ["model.weights was vgg.pth, is other.pth"]


def test_the_same_data_may_lie_elsewhere(run):
    write_run(run, TASKS)
    assert state_of(changed(run, "data", shards="elsewhere", limit=10**6), DATA) == "finished"


def test_a_comparison_may_be_moved(tmp_path):
    names = ("--schedulers", "dst", "static", "--seeds", "1")
    before, now = (plan_of(tmp_path / name, *names)[1].runs[1].config for name in ("here", "there"))
    assert before.scheduler.weights_of != now.scheduler.weights_of
    assert list(differences(before, now)) == []


def test_settings_nobody_knows_are_refused(run):
    write_run(run, TASKS)
    path = run.config.run.dir / "config.yaml"
    path.write_text(to_yaml(run.config).replace("epochs:", "epoch:"))
    with pytest.raises(ConfigurationError, match=r"unknown key 'train.epoch'.*the run is of another version of this program"):
        state_of(run, DATA)
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"holds a run without config.yaml"):
        state_of(run, DATA)


def test_damaged_records_are_named(run):
    write_run(run, TASKS)
    path = run.config.run.dir / "records.jsonl"
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(DataError, match=r"records.jsonl, line 1"):
        state_of(run, DATA)
