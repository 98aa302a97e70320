"""`tools/benchmark gpu`: what is run, what is refused, what becomes of parts that fail."""

import json
from pathlib import Path

import pytest
import torch

from shards.errors import ConfigurationError, DataError
from tools.benchmarks.gpu import benchmark, processes
from tools.benchmarks.gpu.benchmark import GpuBenchmark, benchmark_gpu
from tools.benchmarks.gpu.schedule import MEASUREMENTS, PARTS, TESTS
from tools.benchmarks.gpu.work import Work, full_size, toy_size

FIGURE = {"what": "speed", "value": 1.0, "unit": "", "note": "", "expected": ""}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"only": (3, 11)}, "--only has 11, expected numbers of 0 to 10"), ({"minutes": 0}, "--minutes is 0, expected more than 0")],
)
def test_what_cannot_be_run_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        GpuBenchmark(**options)


def test_without_a_gpu_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="there is no GPU here; --device cpu"):
        benchmark_gpu(GpuBenchmark(out=tmp_path / "out", folder=tmp_path / "data"))
    assert not (tmp_path / "out").exists()


def programs(monkeypatch, **by_name: str) -> None:
    """Let measurements be small programs that write a figure first."""

    def command(name, _, figures):
        write = f"open({str(figures)!r}, 'a').write({json.dumps(FIGURE)!r} + chr(10))"
        return ["-c", f"{write}; {by_name[name]}"]

    monkeypatch.setattr(processes, "measurement", command)


def parts_of(out: Path) -> dict[int, dict]:
    return {part["number"]: part for part in json.loads((out / "results.json").read_text())["parts"]}


def test_a_part_that_crashes_or_hangs_keeps_its_figures_and_harms_no_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "PARTS", (TESTS, *MEASUREMENTS[:1], *MEASUREMENTS[3:5]))
    programs(monkeypatch, environment="import os; os.abort()", frozen_trunk="import time; time.sleep(99)", cudnn_flags="pass")
    options = GpuBenchmark(device="cpu", only=(1, 4, 5), out=tmp_path / "out", folder=tmp_path / "data", minutes=0.1)
    with pytest.raises(DataError, match=r"1, 4, 5 of the parts failed; .*log.txt has what they wrote"):
        benchmark_gpu(options)
    parts = parts_of(tmp_path / "out")
    assert parts[1]["status"] == "ended by SIGABRT"
    assert parts[4]["status"].startswith("stopped after ")
    assert parts[5]["status"] == "not begun: 0.1 minutes are over"
    assert [len(parts[number]["figures"]) for number in (1, 4, 5)] == [1, 1, 0]
    printed = capsys.readouterr().out
    assert printed.endswith((tmp_path / "out" / "table.md").read_text().rpartition("\n\n")[2])


def test_without_faces_only_what_needs_them_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "PARTS", (TESTS, *MEASUREMENTS[2:4]))
    programs(monkeypatch, frozen_trunk="pass", loader_alone="pass")
    monkeypatch.setattr(Work, "to_json", lambda _: "not JSON")
    options = GpuBenchmark(device="cpu", only=(3, 4), out=tmp_path / "out", folder=tmp_path / "data")
    with pytest.raises(DataError, match="3 of the parts failed"):
        benchmark_gpu(options)
    parts = parts_of(tmp_path / "out")
    assert parts[3]["status"] == "not begun: faces could not be drawn and packed"
    assert (parts[4]["status"], len(parts[4]["figures"])) == ("done", 1)


@pytest.mark.parametrize("make", [full_size, toy_size])
def test_work_goes_through_json(make):
    assert Work.from_json(make("data").to_json()) == make("data")


def test_the_page_about_it_tells_of_every_part():
    page = (processes.ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| ")]
    told = {number.strip(): title.strip() for number, title in rows}
    assert {str(part.number): part.title for part in PARTS}.items() <= told.items()
