import os
import signal
from types import SimpleNamespace

import pytest

from engine.compare import command
from engine.compare.command import compare, main
from shards.errors import ConfigurationError, Interrupted
from shards.storage.lock import lock_folder
from tests.unit.compare.runs import DATA, TASKS, plan_of, write_run

WORDS = ("--schedulers", "mtl", "dst", "--seeds", "2", "--bootstrap", "100", "--train.epochs", "2")


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """The folder of a comparison whose runs are all there."""
    from engine.compare import session

    monkeypatch.setattr(session, "_data_of", lambda _plan: SimpleNamespace(in_words=lambda: DATA))
    out = tmp_path / "out"
    for run in plan_of(out, *WORDS)[1].runs:
        write_run(run, TASKS)
    return out


def call(out, *words):
    compare(["--data.shards", "nowhere", "--data.tasks", *TASKS, "--out", str(out), *words])


def test_finished_runs_become_a_report_and_stay_as_they_are(finished, capsys):
    before = {path: path.stat().st_mtime_ns for path in (finished / "runs").rglob("*")}
    call(finished, *WORDS)
    assert {path: path.stat().st_mtime_ns for path in (finished / "runs").rglob("*")} == before
    assert {path.name for path in finished.iterdir()} == {"runs", "plots", "results.json", "report.md", "report.html"}
    assert "4 runs, all of them present" in capsys.readouterr().out


def test_runs_of_other_variants_are_left_alone(finished):
    call(finished, "--schedulers", "mtl", "--seeds", "1", "--bootstrap", "100", "--train.epochs", "2")
    assert (finished / "runs/dst/seed-1/records.jsonl").exists()
    assert "dst" not in (finished / "report.md").read_text()
    assert [path.name for path in (finished / "plots").iterdir()] == ["val.png"]


def test_one_process_at_a_time_writes_the_report(finished, monkeypatch):
    from engine.compare import session

    monkeypatch.setattr(session, "_PATIENCE_SECONDS", 0.1)
    with (
        lock_folder(finished, work="comparison"),
        pytest.raises(ConfigurationError, match=rf"another comparison \(process {os.getpid()}\)"),
    ):
        call(finished, *WORDS)
    call(finished, *WORDS)
    assert (finished / "report.md").exists()


def test_a_launcher_is_refused(finished, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match=r"in one process each; start tools/compare itself, without a launcher"):
        call(finished, *WORDS)


def test_a_signal_between_the_runs_can_be_gone_on_from(finished, monkeypatch):
    from engine.compare import session

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "read_results", stopped)
    with pytest.raises(Interrupted, match=r"the same command goes on"):
        call(finished, *WORDS)
    assert not (finished / ".lock").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_exit_code_of_a_signal(monkeypatch, capsys, number):
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)}

    def stopped(_arguments):
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as error:
            raise Interrupted("stopped by a signal; the same command goes on") from error

    monkeypatch.setattr(command, "compare", stopped)
    monkeypatch.setattr("sys.argv", ["compare"])
    try:
        with pytest.raises(SystemExit) as ending:
            main()
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
    assert ending.value.code == 75
    assert capsys.readouterr().err == "error: stopped by a signal; the same command goes on\n"


def test_wrong_options_end_with_2(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["compare", "--scheduler", "mtl"])
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as ending:
            main()
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
    assert ending.value.code == 2
    assert "did you mean 'schedulers'" in capsys.readouterr().err
