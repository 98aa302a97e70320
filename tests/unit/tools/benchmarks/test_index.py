"""`tools/benchmark index`, end to end on a few samples."""

import json
import os

import pytest

from shards.errors import ConfigurationError
from tools.benchmarks.index import IndexBenchmark, benchmark_index


def test_the_figures_of_a_small_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    benchmark_index(IndexBenchmark(folder=tmp_path, num_samples=1000, num_attributes=3, repeats=2, json=tmp_path / "figures.json"))
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["samples"], figures["attributes"]) == (1000, 3)
    assert len(figures["seconds"]) == len(figures["anonymous_bytes_of_opening"]) == 2
    assert all(0 < seconds < 60 for seconds in figures["seconds"])
    # Python and numpy alone take more than this.
    assert figures["peak_anonymous_bytes"] > 1_000_000
    assert figures["machine"]["cores"] == len(os.sched_getaffinity(0))
    # The data set is removed again.
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].rstrip() == "opening 1,000 samples x 3 labels, 2 new processes"
    assert all(len(line.rstrip()) <= 100 for line in lines[:-1])


@pytest.mark.parametrize("name", ["num_samples", "num_attributes", "repeats"])
def test_counts_below_one_are_errors(name):
    with pytest.raises(ConfigurationError, match=rf"--{name.replace('_', '-')} is 0, expected at least 1"):
        IndexBenchmark(**{name: 0})
