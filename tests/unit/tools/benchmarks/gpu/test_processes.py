"""Parts of `tools/benchmark gpu` as processes that end, fail, crash or hang."""

import os
import time
from pathlib import Path

import pytest

from tools.benchmarks.gpu import processes
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.trial import read_figures
from tools.benchmarks.gpu.work import Work, full_size, toy_size


@pytest.fixture
def work(tmp_path) -> Work:
    return toy_size(str(tmp_path))


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("pass", "done"),
        ("raise SystemExit(3)", "failed with exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
        ("import time; time.sleep(60)", "stopped after 1 s"),
    ],
)
def test_how_a_process_ended(tmp_path, work, program, ending):
    process = processes.start(["-c", program], work, tmp_path / "log")
    looks = []
    assert processes.wait(process, 1 if "sleep" in program else 60, lambda: looks.append(1)) == ending
    assert process.poll() is not None
    assert ("sleep" in program) == (len(looks) >= 1)


def test_a_process_that_takes_too_long_ends_with_all_it_started(tmp_path, work):
    pid_file = tmp_path / "pid"
    program = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
open({str(pid_file)!r}, "w").write(str(child.pid))
time.sleep(100)
"""
    process = processes.start(["-c", program], work, tmp_path / "log")
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.01)
    assert processes.wait(process, 0.1, lambda: None) == "stopped after 0 s"
    deadline = time.monotonic() + 20
    child = Path(f"/proc/{pid_file.read_text()}/status")
    while child.exists() and "zombie" not in child.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_run_this_checkout_on_the_wanted_device(work, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    on_cpu, on_gpu = processes.environment(work), processes.environment(full_size("data"))
    assert on_cpu["PYTHONPATH"] == f"{processes.ROOT}{os.pathsep}/somewhere"
    assert (on_cpu["ACCELERATE_USE_CPU"], on_cpu["CUDA_VISIBLE_DEVICES"]) == ("true", "")
    assert "ACCELERATE_USE_CPU" not in on_gpu
    assert not [name for name in {**on_cpu, **on_gpu} if name == "ACCELERATE_MIXED_PRECISION"]


def test_the_output_of_all_processes_is_in_the_log(tmp_path, work):
    for word in ("one", "two"):
        processes.wait(
            processes.start(["-c", f"import sys; print({word!r}); print('bad', file=sys.stderr)"], work, tmp_path / "log"), 60, list
        )
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("$")] == ["one", "bad", "two", "bad"]


def test_tests_that_failed_are_named(tmp_path):
    (tmp_path / "tests.xml").write_text(
        """<testsuites><testsuite>
        <testcase name="good"/><testcase name="odd"><skipped message="no GPU"/></testcase>
        <testcase name="bad[cpu]"><failure message="assert 1 ==&#10;  2">trace</failure></testcase>
        <testcase name="broken"><error message="fixture"/></testcase>
        </testsuite></testsuites>"""
    )
    found = processes.tests_found([tmp_path / "tests.xml", tmp_path / "nothing.xml"])
    assert [(figure.what, figure.value) for figure in found[:3]] == [("tests passed", 1), ("tests failed", 2), ("tests skipped", 1)]
    assert [(figure.what, figure.note) for figure in found[3:]] == [("bad[cpu]", "assert 1 == 2"), ("broken", "fixture")]


def test_on_a_gpu_the_memory_is_watched_alone(tmp_path):
    (together, _), (alone, _) = processes.test_runs(full_size("data"), tmp_path)
    assert f"--ignore={processes.ROOT / 'tests' / 'gpu' / 'test_memory.py'}" in together
    assert str(processes.ROOT / "tests" / "gpu" / "test_memory.py") in alone
    assert (processes.ROOT / "tests" / "gpu" / "test_memory.py").exists()


def test_figures_are_read_while_they_are_written(tmp_path):
    file = tmp_path / "figures.jsonl"
    assert read_figures(file) == []
    file.write_text('{"what": "one", "value": 1, "unit": "s", "note": "", "expected": ""}\n{"what": "tw')
    assert read_figures(file) == [Figure(what="one", value=1, unit="s")]
