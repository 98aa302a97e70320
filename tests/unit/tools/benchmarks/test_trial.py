"""One measured run: its memory as seen from outside, its figures, its failure, and whose turn it is."""

import os
import subprocess
import sys

import numpy as np
import pytest

from shards.errors import DataError
from tools.benchmarks import trial
from tools.benchmarks.trial import Trial, TrialError, alternate, anonymous_bytes, run_trial

HOLD = "import sys; held = bytearray(b'x') * int(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
"""Holds so many bytes until stdin is closed."""


def held_by_a_process(num_bytes: int) -> tuple[int, int]:
    """Return a process's anonymous memory while it holds so many bytes, and once it is gone."""
    arguments = [sys.executable, "-c", HOLD, str(num_bytes)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        held = anonymous_bytes(process.pid)
        process.stdin.close()
        process.wait()
        return held, anonymous_bytes(process.pid)


def test_anonymous_bytes_sees_what_a_process_allocates():
    without, _ = held_by_a_process(0)
    held, after = held_by_a_process(50_000_000)
    assert held - without == pytest.approx(50_000_000, rel=0.02)
    assert (after, without > 0) == (0, True)


def test_mapped_files_do_not_count(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(20_000_000))
    before = anonymous_bytes(os.getpid())
    mapped = np.memmap(path, np.uint8, "r")
    assert mapped.sum() == 0
    assert anonymous_bytes(os.getpid()) - before < 10_000_000


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of a text."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(text: str) -> str:
        (tmp_path / "a_trial.py").write_text(text)
        return "a_trial"

    return write


def test_a_run_tells_its_seconds_and_other_figures_and_the_memory_of_its_children_counts(module):
    name = module(
        "import json, subprocess, sys\n"
        "print('something else')\n"
        # The sum takes long enough to be looked at many times.
        "child = \"held = bytearray(b'x') * 60_000_000; sum(held)\"\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
        "print(json.dumps({'seconds': 1.5, 'more': float(sys.argv[1])}))\n"
    )
    run = run_trial(name, "7")
    assert (run.seconds, run.figures) == (1.5, {"more": 7.0})
    assert run.peak_anonymous_bytes > 60_000_000


def test_a_run_that_fails_is_an_error(module):
    with pytest.raises(TrialError, match=r"the benchmark's process a_trial ended with 3; what it wrote stands above") as failure:
        run_trial(module("raise SystemExit(3)"))
    assert failure.value.reason == "ended with 3"
    assert isinstance(failure.value, DataError)


def test_a_failed_runs_last_words_are_its_reason_and_all_of_them_are_shown(module, capsys):
    with pytest.raises(TrialError, match=r"a_trial ended with 1 \(ValueError: no such luck\); what it wrote stands above") as failure:
        run_trial(module("import sys\nsys.stderr.write('a warning\\n')\nraise ValueError('no such luck')"))
    assert failure.value.reason == "ValueError: no such luck"
    assert capsys.readouterr().err.startswith("a warning\nTraceback")


def test_warnings_of_a_run_that_succeeds_are_not_shown(module, capfd):
    run_trial(module("import json, sys\nsys.stderr.write('a warning')\nprint(json.dumps({'seconds': 1.0}))"))
    assert capfd.readouterr() == ("", "")


def test_a_run_that_does_not_end_is_ended_with_its_children(module, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    # It writes to the pipe and keeps it open as long as it lives: far longer than this test is allowed to take.
    child = f"import time; pipe = open({str(pipe)!r}, 'wb', 0); pipe.write(b'here'); time.sleep(3000)"
    name = module(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])")
    with pytest.raises(TrialError, match=r"a_trial did not end within 3 seconds; what"):
        run_trial(name, timeout_seconds=3)
    os.set_blocking(reader, True)
    with open(reader, "rb") as held:  # noqa: PTH123 (a descriptor)
        assert held.read() == b"here"


def test_contenders_take_turns(monkeypatch):
    begun = []

    def run(*arguments: str) -> Trial:
        begun.append(arguments)
        return Trial(seconds=len(begun), peak_anonymous_bytes=1, figures={})

    monkeypatch.setattr(trial, "run_trial", run)
    turns = [(number, each.seconds) for number, each in alternate([("m", ("a",)), ("m", ("b", "c")), ("n", ())], 2)]
    assert turns == [(0, 1), (1, 2), (2, 3), (0, 4), (1, 5), (2, 6)]
    assert begun == [("m", "a"), ("m", "b", "c"), ("n",)] * 2
