"""`tools/benchmark loader` from its flags to its figures."""

import json
import os
from pathlib import Path

import pytest

from shards.dataset import ShardDataset
from shards.errors import DataError
from tools.benchmarks.loader import benchmark, contenders, data, many, rounds
from tools.benchmarks.loader.benchmark import benchmark_loader
from tools.benchmarks.loader.options import LoaderBenchmark
from tools.benchmarks.loader.work import Work
from tools.benchmarks.trial import Trial, TrialError

SMALL = {"num_images": 8, "batch_size": 4, "threads": 2, "image_size": 32}


@pytest.fixture(autouse=True)
def _ninety_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")


@pytest.fixture(autouse=True)
def _all_there(monkeypatch):
    """Whatever is installed, nobody is absent."""
    monkeypatch.setattr(benchmark, "why_absent", lambda _: None)


@pytest.fixture
def begun(monkeypatch):
    """No process runs; what each would be told."""
    begun: list[tuple[str, ...]] = []

    def run(*arguments: str, **_: float) -> Trial:
        begun.append(arguments)
        if arguments[0].endswith("convert"):
            os.mkdir(f"{arguments[2]}/out")  # noqa: PTH102
        seconds = float(len(begun))
        return Trial(seconds=seconds, peak_anonymous_bytes=5_000_000, figures={"images": 100 * seconds, "loader_seconds": 0.5})

    for module in (rounds, many, data):
        monkeypatch.setattr(module, "run_trial", run)
    return begun


def streams(begun):
    return [arguments[1].rpartition(".")[2] for arguments in begun if arguments[0].endswith("loader.trial")]


def test_the_figures_of_a_small_run(tmp_path, capsys):
    options = LoaderBenchmark(
        folder=tmp_path, repeats=1, seconds=0, batches=1, warmup_batches=0, large_images=0, contenders=("torch",), **SMALL
    )
    benchmark_loader(options)
    figures = json.loads((tmp_path / "loader.json").read_text())
    score = figures["contenders"]["torch"]
    assert list(figures["contenders"]) == ["torch"]
    assert (score["ratio_to_torch"], score["ratio_to_dali"], len(score["rounds"])) == (1.0, None, 1)
    assert score["images_per_second"] == score["rounds"][0] > 0
    assert score["share_of_decoding"] == pytest.approx(score["images_per_second"] / figures["decoding"]["images_per_second"])
    assert figures["order_source_crc"]["images_per_second"] > 0
    assert (figures["threads"], figures["num_images"], figures["many"]) == (2, 8, None)
    assert {"torch", "pillow", "webdataset"} <= set(figures["machine"]["versions"])
    # All is kept for the next time.
    assert {path.name for path in tmp_path.iterdir()} == {"faces-8", "shards-8-in-8", "loader.json"}
    dataset = ShardDataset(tmp_path / "shards-8-in-8")
    assert (len(dataset), dataset.split_range("train")) == (8, range(8))
    lines = capsys.readouterr().out.splitlines()
    assert "8 images, batches of 4 at 32 x 32, 2 threads or processes each, medians of 1 round in turn" in [line.strip() for line in lines]


def test_everybody_takes_turns(tmp_path, begun):
    benchmark_loader(LoaderBenchmark(folder=tmp_path, repeats=2, large_images=0, **SMALL))
    turn = [contender.stream for contender in (*contenders.CONTENDERS, contenders.DECODING, contenders.READING)]
    assert streams(begun) == turn + turn
    # Converted for litdata once, and under its name.
    assert [arguments[0] for arguments in begun].count("tools.benchmarks.loader.convert") == 1
    assert (tmp_path / "litdata-8-in-8").is_dir()
    figures = json.loads((tmp_path / "loader.json").read_text())
    assert list(figures["contenders"]) == [contender.name for contender in contenders.CONTENDERS]


def test_first_batch_and_memory_on_many_samples(tmp_path, begun, capsys):
    options = LoaderBenchmark(folder=tmp_path, repeats=2, large_images=20, contenders=("dali",), **SMALL)
    benchmark_loader(options)
    alone = begun[6:]
    assert [arguments[0].rpartition(".")[2] for arguments in alone] == ["start_trial", "trial", "trial"] * 2
    large, small = Work.from_json(alone[1][2]), Work.from_json(alone[2][2])
    assert [Path(told.shards).name for told in (large, small)] == ["shards-20-of-faces-8", "shards-8-in-8"]
    assert (large.seconds, large.batches) == (0.0, options.batches)
    assert len(ShardDataset(Path(large.shards))) == 20
    figures = json.loads((tmp_path / "loader.json").read_text())["many"]
    assert (figures["samples"], figures["ratio"], figures["loader_seconds"]) == (20, 1.0, [0.5, 0.5])
    assert figures["first_batch_seconds"] == [7.0, 10.0]
    lines = capsys.readouterr().out.splitlines()
    assert "first batch of 20 samples: 8.500 s with the opening of the data set, 0.500 s without" in lines
    assert "RssAnon of dropstream after 46 batches: 5 MB of 8 samples, 5 MB of 20, 1.00 times" in lines


def test_one_that_fails_is_named_and_the_others_go_on(tmp_path, begun, monkeypatch, capsys):
    succeed = rounds.run_trial

    def run(*arguments: str, **options: float) -> Trial:
        trial = succeed(*arguments, **options)
        if "dali" in arguments[1]:
            raise TrialError("trial", "ended with 1", "Traceback\nRuntimeError: no luck")
        return trial

    monkeypatch.setattr(rounds, "run_trial", run)
    options = LoaderBenchmark(folder=tmp_path, repeats=2, large_images=0, contenders=("dali", "torch"), **SMALL)
    with pytest.raises(DataError, match=r"failed: DALI's webdataset reader; what they wrote stands above the table"):
        benchmark_loader(options)
    assert streams(begun).count("dali:open_stream") == 1
    assert streams(begun).count("torch_pil:open_stream") == 2
    assert "DALI's webdataset reader: failed (RuntimeError: no luck)" in capsys.readouterr().out.splitlines()
    figures = json.loads((tmp_path / "loader.json").read_text())["contenders"]
    assert figures["dali"] == {"failed": "RuntimeError: no luck"}
    assert figures["torch"]["ratio_to_dali"] is None


def test_litdata_has_failed_if_it_cannot_convert(tmp_path, begun, monkeypatch):
    def run(*_: str) -> Trial:
        raise TrialError("convert", "ended with 1", "")

    monkeypatch.setattr(data, "run_trial", run)
    with pytest.raises(DataError, match=r"failed: litdata"):
        benchmark_loader(LoaderBenchmark(folder=tmp_path, repeats=1, large_images=0, contenders=("litdata", "torch"), **SMALL))
    assert "torch_pil:open_stream" in streams(begun)
    assert "litdata_jpeg:open_stream" not in streams(begun)
    assert {path.name for path in tmp_path.iterdir()} == {"faces-8", "shards-8-in-8", "loader.json"}


def test_one_that_is_absent_is_no_error(tmp_path, begun, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "why_absent", lambda contender: contender.package and "pip install 'dropstream[bench]'")
    benchmark_loader(LoaderBenchmark(folder=tmp_path, repeats=1, large_images=0, contenders=("torch", "spdl"), **SMALL))
    assert streams(begun)[0] == "torch_pil:open_stream"
    assert "spdl: absent (pip install 'dropstream[bench]')" in capsys.readouterr().out.splitlines()
    assert json.loads((tmp_path / "loader.json").read_text())["contenders"]["spdl"] is None
