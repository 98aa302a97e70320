"""`tools/benchmark pack`, end to end on a few images."""

import json
import os
import re

import pytest

from shards.errors import ConfigurationError
from tools.benchmarks import pack, trial
from tools.benchmarks.contender import contenders
from tools.benchmarks.pack import PackBenchmark, benchmark_pack
from tools.benchmarks.trial import Trial


@pytest.fixture(autouse=True)
def _hundred_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def figures_of(options: PackBenchmark) -> dict:
    benchmark_pack(options)
    return json.loads((options.folder / "pack.json").read_text())


def test_the_figures_of_a_small_run(tmp_path, capsys):
    figures = figures_of(PackBenchmark(folder=tmp_path, num_images=40, repeats=1, memory_factor=2))
    assert list(figures["contenders"]) == [contender.name for contender in contenders()]
    rate = figures["contenders"]["ShardWriter"]["images_per_second"]
    for score in figures["contenders"].values():
        assert score["images_per_second"] == pytest.approx(40 / score["seconds"][0])
        assert score["ratio_to_shard_writer"] == pytest.approx(score["images_per_second"] / rate)
        assert (len(score["seconds"]), score["peak_anonymous_bytes"] > 1_000_000) == (1, True)
    memory = figures["memory"]
    assert (figures["images"], memory["images"]) == (40, 80)
    assert memory["peak_anonymous_bytes"] == pytest.approx(
        memory["ratio"] * figures["contenders"][memory["contender"]]["peak_anonymous_bytes"]
    )
    machine = figures["machine"]
    assert machine["cores"] == len(os.sched_getaffinity(0))
    assert machine["cpu"]
    assert set(machine["versions"]) == {"numpy", "simplejpeg", "webdataset"}
    # What was packed is gone, the images stay for the next time.
    assert {path.name for path in tmp_path.iterdir()} == {"faces-40", "pack.json"}
    assert "80 images" in capsys.readouterr().out


@pytest.fixture
def begun(monkeypatch):
    """No process runs; what each would be told."""
    begun: list[tuple[str, ...]] = []

    def run(*arguments: str) -> Trial:
        begun.append(arguments)
        os.mkdir(arguments[3])  # noqa: PTH102 (packs nothing)
        return Trial(seconds=10.0 + len(begun), peak_anonymous_bytes=123_000_000, figures={})

    monkeypatch.setattr(trial, "run_trial", run)
    monkeypatch.setattr(pack, "run_trial", run)
    monkeypatch.setattr("tools.benchmarks.contender.usable_cores", lambda: 16)
    return begun


def test_the_contenders_take_turns_and_the_memory_comes_last(tmp_path, begun):
    figures = figures_of(PackBenchmark(folder=tmp_path, num_images=4, repeats=2, memory_factor=3))
    turn = [("ShardWriter", "1"), ("header", "1"), ("decode", "1"), ("header", "16"), ("decode", "16")]
    assert [(arguments[1], arguments[4]) for arguments in begun] == [*turn, *turn, ("header", "16")]
    assert len({arguments[2] for arguments in begun[:-1]}) == 1
    assert begun[-1][2] != begun[0][2]
    assert figures["contenders"]["decode, 1 worker"]["seconds"] == [13.0, 18.0]
    assert (figures["memory"]["contender"], figures["memory"]["ratio"]) == ("header, 16 workers", 1.0)


def test_no_more_memory_runs_than_were_asked_for(tmp_path, begun):
    assert figures_of(PackBenchmark(folder=tmp_path, num_images=4, repeats=1, memory_factor=1))["memory"] is None
    assert len(begun) == 5


@pytest.mark.usefixtures("begun")
def test_what_is_printed_fits_and_says_in_what_the_two_differ(tmp_path, capsys):
    figures_of(PackBenchmark(folder=tmp_path, num_images=4, repeats=2, memory_factor=3))
    lines = capsys.readouterr().out.splitlines()
    # Drawing the faces and writing the figures name their folders.
    lines = lines[lines.index(next(line for line in lines if line.startswith("4 images, medians of 2 rounds in turn"))) : -1]
    table = [line.split("  ") for line in lines if "--check" in line or "webdataset.S" in line]
    assert [[cell.strip() for cell in row if cell.strip()] for row in table] == [
        ["webdataset.ShardWriter", "1", "0", "1.00", "11.00-16.00", "123"],
        ["make_shards --check header", "1", "0", "0.93", "12.00-17.00", "123"],
        ["make_shards --check decode", "1", "0", "0.87", "13.00-18.00", "123"],
        ["make_shards --check header", "16", "0", "0.82", "14.00-19.00", "123"],
        ["make_shards --check decode", "16", "0", "0.77", "15.00-20.00", "123"],
    ]
    assert re.search(r"^ShardWriter: one process, .* no checks, hashes, index or fsync", "\n".join(lines), re.MULTILINE)
    assert all(len(line.rstrip()) <= 100 for line in lines)
    assert lines[-5] == "12 images (header, 16 workers): 1 images/s, RssAnon 123 MB, 1.00 times"


@pytest.mark.parametrize("name", ["num_images", "repeats", "memory_factor"])
def test_counts_below_one_are_errors(name):
    with pytest.raises(ConfigurationError, match=rf"--{name.replace('_', '-')} is 0, expected at least 1"):
        PackBenchmark(**{name: 0})
