import json
import math
import subprocess
import sys

import pytest

from engine.journal.history import read_history
from engine.journal.journal import FILE_NAME
from engine.journal.records import to_json
from engine.report.reporter import open_reporter
from shards.errors import DataError


def test_a_finished_run_leaves_records_summary_and_page(make, tmp_path, capsys):
    with open_reporter(tmp_path / "run", "plain") as reporter:
        reporter.print("a notice")
        for record in make.records():
            reporter.emit(record)
    assert (tmp_path / "run" / FILE_NAME).read_text() == "".join(to_json(record) + "\n" for record in make.records())
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "finished"
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!doctype html>")
    out = capsys.readouterr().out
    assert out.startswith("a notice\nrun trial\n")
    assert out.count("\nepoch 1/3 · loss") == 1
    assert "test balanced accuracy 0.800 (chance 0.500)" in out
    assert out.endswith(f"wrote {tmp_path}/run/summary.json, {tmp_path}/run/report.html\n")


def test_an_epoch_is_shown_after_its_evaluation(make, tmp_path, capsys):
    with open_reporter(tmp_path, "plain") as reporter:
        reporter.emit(make.run)
        for record in (make.epoch, make.loader):
            reporter.emit(record)
        assert "epoch 1/3 ·" not in capsys.readouterr().out
        reporter.emit(make.eval)
        assert "epoch 1/3 · loss 0.4000 · 200 images/s" in capsys.readouterr().out


def test_an_epoch_without_val_is_shown_when_the_run_goes_on(make, tmp_path, capsys):
    with open_reporter(tmp_path, "plain") as reporter:
        for record in (make.run, make.epoch, make.loader, make.replace(make.step, epoch=1)):
            reporter.emit(record)
        out = capsys.readouterr().out
        assert out.index("epoch 1/3 · loss 0.4000 · 200 images/s") < out.index("epoch 2/3 step 10/40")
        reporter.emit(make.replace(make.epoch, epoch=1))
        reporter.emit(make.end)
        assert "epoch 2/3 · loss 0.4000 · n/a images/s" in capsys.readouterr().out


def test_a_stopped_or_broken_run_leaves_its_records_only(make, tmp_path):
    with open_reporter(tmp_path / "a", "quiet") as reporter:
        reporter.emit(make.run)
        reporter.emit(make.replace(make.end, reason="stopped"))
    reporter = open_reporter(tmp_path / "b", "quiet")
    reporter.emit(make.run)
    reporter.emit(make.end)
    reporter.__exit__(KeyError, KeyError(), None)
    assert [path.name for path in sorted(tmp_path.rglob("*.*"))] == [FILE_NAME, FILE_NAME]


def test_a_resumed_run_is_reported_as_one(make, tmp_path):
    whole = make.records()
    cut = [record for record in whole if getattr(record, "epoch", 0) < 2 and record is not make.end]
    with open_reporter(tmp_path, "quiet") as reporter:
        for record in cut:
            reporter.emit(record)
    with (tmp_path / FILE_NAME).open("a") as file:
        file.write('{"record": "StepRe')
    resumed = make.replace(make.run, tasks=whole[0].tasks, positive_rates=whole[0].positive_rates, resumed_epoch=1)
    with open_reporter(tmp_path, "quiet") as reporter:
        reporter.emit(resumed)
        for record in whole[1:]:
            if getattr(record, "epoch", 1) >= 1:
                reporter.emit(record)
    history = read_history(tmp_path)
    assert sorted(history.epochs) == [0, 1, 2]
    assert len(history.steps) == 6
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["num_epochs"], summary["num_processes"]) == (3, 2)


def test_nan_is_refused_and_not_written(make, tmp_path):
    with open_reporter(tmp_path, "quiet") as reporter:
        reporter.emit(make.run)
        with pytest.raises(ValueError, match="Out of range float"):
            reporter.emit(make.replace(make.step, loss=math.nan))
    assert (tmp_path / FILE_NAME).read_text() == to_json(make.run) + "\n"


def test_a_damaged_journal_stops_the_run_before_it_starts(make, tmp_path):
    (tmp_path / FILE_NAME).write_text("x\n" + to_json(make.run) + "\n")
    with pytest.raises(DataError, match="line 1"):
        open_reporter(tmp_path, "quiet")


def test_no_torch_is_loaded():
    code = "import engine.report.reporter, engine.report.command, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_matplotlibs_global_state_is_left_alone():
    code = (
        "import matplotlib, sys; from engine.report import plots;"
        # Reading the backend would import pyplot.
        "state = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'};"
        "before = state(); plots.speed([0], [1.0], [0.1], 0.05); assert state() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
