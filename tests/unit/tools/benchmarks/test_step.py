"""`tools/benchmark step`, end to end on a few steps."""

import json

import pytest

from shards.errors import ConfigurationError
from tools.benchmarks.step import StepBenchmark, StepCost, benchmark_step


def test_the_figures_of_a_small_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    benchmark_step(StepBenchmark(batch_size=4, steps=3, repeats=2, json=tmp_path / "step.json"))
    figures = json.loads((tmp_path / "step.json").read_text())["schedulers"]
    assert list(figures) == ["mtl", "dst", "random", "drop_balanced", "static"]
    for cost in figures.values():
        assert 0 < cost["scheduler_us"] < cost["step_us"]
        assert cost["share"] == pytest.approx((cost["scheduler_us"] + cost["epoch_us"] / 3) / cost["step_us"])
    assert all(len(line.rstrip()) <= 100 for line in capsys.readouterr().out.splitlines()[:-1])


def test_the_share_counts_what_happens_once_per_epoch():
    assert StepCost(step_us=1000, scheduler_us=2, epoch_us=400).share(100) == pytest.approx(0.006)


@pytest.mark.parametrize("name", ["batch_size", "steps", "repeats"])
def test_counts_below_one_are_errors(name):
    with pytest.raises(ConfigurationError, match=rf"--{name.replace('_', '-')} is 0, expected at least 1"):
        StepBenchmark(**{name: 0})
