"""One measured run: its memory as seen from outside, its figures, its failure, and whose turn it is."""

import os
import subprocess
import sys

import numpy as np
import pytest

from engine.benchmark import trial
from engine.benchmark.trial import Trial, alternate, anonymous_bytes, run_trial
from shards.errors import DataError

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
    with pytest.raises(DataError, match=r"the benchmark's process a_trial ended with 3; what it wrote stands above"):
        run_trial(module("raise SystemExit(3)"))


def test_contenders_take_turns(monkeypatch):
    begun = []

    def run(*arguments: str) -> Trial:
        begun.append(arguments)
        return Trial(seconds=len(begun), peak_anonymous_bytes=1, figures={})

    monkeypatch.setattr(trial, "run_trial", run)
    turns = [(number, each.seconds) for number, each in alternate([("m", ("a",)), ("m", ("b", "c")), ("n", ())], 2)]
    assert turns == [(0, 1), (1, 2), (2, 3), (0, 4), (1, 5), (2, 6)]
    assert begun == [("m", "a"), ("m", "b", "c"), ("n",)] * 2
