"""What `--run.if_exists resume` does where there is a finished run, one without a checkpoint, or none."""

import shutil

import pytest

from engine.command_line import parse
from engine.loop import trainer as trainer_module
from engine.run.run import run
from shards.errors import CheckpointError, ConfigurationError, DataError
from tests.conftest import forget_accelerator
from tests.integration.conftest import flags
from tests.integration.test_features import FROZEN


def resume(shards, run_dir, **options) -> bool:
    forget_accelerator()
    return run(parse(flags(shards, run_dir, **(FROZEN | {"report__console": "plain", "run__if_exists": "resume"} | options))))


@pytest.fixture
def finished(shards, tmp_path):
    resume(shards, tmp_path / "run", run__if_exists="refuse")
    return tmp_path / "run"


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("checkpoints", ["kept", "deleted"])
def test_a_finished_run_is_never_trained_over(shards, finished, capsys, checkpoints):
    if checkpoints == "deleted":
        shutil.rmtree(finished / "checkpoints")
    before = files(finished)
    capsys.readouterr()
    resume(shards, finished)
    assert capsys.readouterr().out == f"run.dir {finished}: the run is finished; nothing to do\n"
    told = {
        "kept": "the checkpoint belongs to another run: optimizer.lr was 0.01, is 0.5; restore the setting, or use another run.dir",
        "deleted": "its run is finished and its checkpoints are gone, and it had other settings: optimizer.lr was 0.01, is 0.5; name",
    }
    with pytest.raises(CheckpointError, match=told[checkpoints]):
        resume(shards, finished, optimizer__lr=0.5)
    assert files(finished) == before


def test_a_run_without_a_checkpoint_begins_anew_with_its_own_settings_only(shards, tmp_path, monkeypatch, capsys):
    class KilledError(BaseException):
        pass

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "write_checkpoint", killed)
        with pytest.raises(KilledError):
            resume(shards, tmp_path / "run", run__if_exists="refuse")
    with pytest.raises(
        CheckpointError, match=r"a run began there with other settings and left no checkpoint: optimizer.lr was 0.01, is 0.5"
    ):
        resume(shards, tmp_path / "run", optimizer__lr=0.5)
    capsys.readouterr()
    resume(shards, tmp_path / "run", report__every=2)
    assert f"run.dir {tmp_path / 'run'}: its run left no checkpoint yet; begins anew" in capsys.readouterr().out


def test_where_there_is_nothing_to_resume_it_says_so(shards, tmp_path, capsys):
    resume(shards, tmp_path / "typo")
    assert f"run.dir {tmp_path / 'typo'}: holds no run yet; begins anew" in capsys.readouterr().out


def test_settings_of_a_run_that_was_moved(finished, tmp_path):
    moved = finished.rename(tmp_path / "moved run")
    with pytest.raises(ConfigurationError) as refused:
        parse(["--config", str(moved / "config.yaml"), "--run.if_exists", "resume"])
    assert str(refused.value) == (
        f"--config {moved / 'config.yaml'} lies in the folder of a run, but run.dir is {finished}; "
        f"to resume that run add --run.dir '{moved}', "
        "to begin another copy the file out of the folder"
    )
    assert parse(["--config", str(moved / "config.yaml"), "--run.dir", str(moved), "--run.if_exists", "resume"]).run.dir == moved


def test_a_folder_that_is_removed_while_it_trains(shards, tmp_path, monkeypatch):
    def removed(self, what):
        if what == "step" and (self.position.epoch, self.position.step) == (1, 1):
            shutil.rmtree(tmp_path / "run")

    monkeypatch.setattr(trainer_module.Trainer, "before", removed)
    with pytest.raises(DataError, match=r"records.jsonl: was removed while the run wrote to it"):
        resume(shards, tmp_path / "run")
