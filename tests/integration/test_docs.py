"""The examples in the documentation run."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import PipelineConfig
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loading_plan import Rank
from engine.pipeline.order import Order
from shards.dataset import ShardDataset

DOCS = Path(__file__).parents[2] / "docs"


def examples_of(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


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
    names = {"folder": str(shards), "Path": Path, "np": np, "torch": torch, "ShardDataset": ShardDataset, "Order": Order, "Rank": Rank}
    names |= {"build_loader": build_loader, "build_plan": build_plan, "PipelineConfig": PipelineConfig}
    exec(compile(example, "docs/loader.md", "exec"), names)  # noqa: S102
    assert names["batch"].images.shape == (8, 3, 64, 64)
    assert (names["state"]["epoch"], names["state"]["step"]) == (1, 0)
