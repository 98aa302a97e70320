"""F-14 and others for the folder of a run: two trainings in it, one that processes do not have in common, one that cannot be used."""

import fcntl
import os
import shutil
import signal

import pytest

from engine.run.folder import check_folder, own_folder
from shards.errors import ConfigurationError
from tests.integration.conftest import flags, forget_end, records, results
from tests.launch import wait_for

LONG = {"train__epochs": 200, "report__every": 1, "report__console": "quiet"}


def test_a_second_training_is_refused_and_the_first_goes_on(shards, tmp_path, nursery):
    first = nursery.start(flags(shards, tmp_path / "run", **LONG))
    wait_for(first, tmp_path / "run" / "records.jsonl", "EpochRecord")
    for choice in ("resume", "replace"):
        second = nursery.start(flags(shards, tmp_path / "run", run__if_exists=choice, **LONG))
        code, _, errors = second.finish()
        assert (code, errors) == (2, f"error: {tmp_path}/run: another training (process {first.pid}) is at work in it; wait for its end\n")
    first.send_signal(signal.SIGTERM)
    assert first.finish()[0] == 75
    lines = [(line["epoch"], line["step"]) for line in records(tmp_path / "run") if line["record"] == "StepRecord"]
    assert lines == sorted(set(lines))


def test_who_was_killed_keeps_nobody_out(shards, tmp_path, nursery):
    first = nursery.start(flags(shards, tmp_path / "run", **LONG))
    wait_for(first, tmp_path / "run" / "records.jsonl", "EpochRecord")
    first.send_signal(signal.SIGKILL)
    first.poll(60)
    code, _, errors = nursery.start(flags(shards, tmp_path / "run", run__if_exists="replace", train__epochs=1)).finish()
    assert (code, errors) == (0, "")
    assert not (tmp_path / "run" / ".lock").exists()


BESIDE = """
import os
os.chdir(os.environ["RANK"])
import engine.train
engine.train.main()
"""


@pytest.mark.parametrize(
    ("num_checkpoints", "ended", "complaint"),
    [
        (0, False, "process 0 goes on after 2 epochs, and process 1 after 0 steps"),
        (1, False, "process 0 goes on after 2 epochs, and process 1 after 1 epoch"),
        (1, True, "process 0 finds its run finished, and process 1 not finished"),
    ],
)
def test_ranks_that_do_not_see_one_folder_are_refused(shards, tmp_path, nursery, num_checkpoints, ended, complaint):
    """Rank 1 has another working folder, and so another `run.dir`: without a checkpoint, or with an older one."""
    for rank in "01":
        (tmp_path / rank).mkdir()
    program = BESIDE.replace('os.environ["RANK"]', f'"{tmp_path}/" + os.environ["RANK"]')
    options = {"train__epochs": 2, "report__console": "quiet"}
    ends = [child.finish(120) for child in nursery.start_two(flags(shards, "run", **options), program)]
    assert [code for code, _, _ in ends] == [0, 0], ends
    whole = results(records(tmp_path / "0" / "run"))
    assert not (tmp_path / "1" / "run").exists()
    checkpoints = tmp_path / "1" / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for path in sorted((tmp_path / "0" / "run" / "checkpoints").iterdir())[:num_checkpoints]:
        shutil.copytree(path, checkpoints / path.name)
    if not ended:
        forget_end(tmp_path / "0" / "run")
    again = flags(shards, "run", run__if_exists="resume", **options)
    ends = [child.finish(120) for child in nursery.start_two(again, program)]
    assert [code for code, _, _ in ends] == [2, 2], ends
    assert ends[0][2] == f"error: run.dir run: {complaint}; name a folder that all processes have in common\n"
    assert results(records(tmp_path / "0" / "run")) == whole


def test_what_cannot_be_used_is_told_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigurationError, match=rf"run.dir {folder}: cannot be used \({tmp_path}/file is no folder\)"):
            check_folder(folder, "refuse")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigurationError, match=rf"run.dir {tmp_path}/new/run: cannot be used \({tmp_path} is not writable\)"):
        check_folder(tmp_path / "new" / "run", "refuse")


def test_what_a_killed_process_was_writing_is_the_runs_own(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("records.jsonl", ".config.yaml.12-0123abcd.tmp", ".report.html.345-0123abcd.tmp", ".model.safetensors.6-0123abcd.tmp"):
        (run / name).touch()
    with own_folder(run, "replace"):
        assert os.listdir(run) == [".lock"]
    (run / "records.jsonl").touch()
    (run / ".model.safetensors.6-0123abcd.tmp").touch()
    with own_folder(run, "resume"):
        assert sorted(os.listdir(run)) == [".lock", "records.jsonl"]
    for foreign in (".notes.txt.tmp", "config.yaml.tmp", ".config.yaml"):
        (run / foreign).touch()
        with pytest.raises(ConfigurationError, match=rf"holds '{foreign}', which no run wrote"):
            check_folder(run, "replace")
        (run / foreign).unlink()


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def missing(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    with own_folder(tmp_path / "run", "refuse"), own_folder(tmp_path / "run", "resume"):
        assert (tmp_path / "run").is_dir()
