"""The examples in the documentation run."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import PipelineConfig, SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.scheduler import RunFacts
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loading_plan import Place
from engine.pipeline.order import Order
from shards.dataset import ShardDataset

DOCS = Path(__file__).parents[2] / "docs"


def examples_of(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_on_reliability_has_every_fault_and_names_tests_that_there_are():
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| F-(\d\d) \|", page, re.MULTILINE) == [f"{number:02d}" for number in range(1, 35)]
    sources = "".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", page) if f"def {name}(" not in sources] == []


# webdataset leaves the tars it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_ways_to_read_a_data_set(shards, celeba, capsys):
    examples = examples_of("shards.md")
    assert [sum(map(bool, example.splitlines())) for example in examples] == [3, 3, 3]
    names = {
        "folder": str(shards),
        "tars": sorted(map(str, shards.glob("train-*.tar"))),
        "ShardDataset": ShardDataset,
        "Path": Path,
    }
    for number, example in enumerate(examples, start=1):
        exec(compile(example, f"docs/shards.md, example {number}", "exec"), names)  # noqa: S102
    assert sum("(178, 218)" in line for line in capsys.readouterr().out.splitlines()) == 52
    first = names["data"].shard_path(0).read_bytes()[512 : 512 + names["data"].index[0]["size"]]
    assert names["images"].at(0).tobytes() == first
    assert names["jpeg"] == (celeba / "img_align_celeba" / f"{names['data'].key(7)}.jpg").read_bytes()


def test_a_loader_by_itself(shards):
    (example,) = examples_of("loader.md")
    names = {"folder": str(shards), "Path": Path, "np": np, "torch": torch, "ShardDataset": ShardDataset, "Order": Order, "Place": Place}
    names |= {"build_loader": build_loader, "build_plan": build_plan, "PipelineConfig": PipelineConfig}
    exec(compile(example, "docs/loader.md", "exec"), names)  # noqa: S102
    assert names["batch"].images.shape == (8, 3, 64, 64)
    assert (names["state"]["epoch"], names["state"]["step"]) == (1, 0)


def test_the_scheduler_of_ones_own(tmp_path, monkeypatch):
    (example,) = [example for example in examples_of("dst.md") if "RoundRobin" in example]
    (tmp_path / "mine_of_the_page.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    facts = RunFacts(tasks=("a", "b", "c"), depths=(1, 1, 1), counts=(1, 1, 1), seed=0, steps_per_epoch=10)
    built = build_scheduler(SchedulerConfig(name="mine_of_the_page:RoundRobin", options={"at_a_time": "1"}), facts)
    assert [built.mask(0, step).tolist().index(True) for step in range(4)] == [0, 1, 2, 0]
