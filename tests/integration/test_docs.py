"""The examples in the documentation run."""

import re
from pathlib import Path

import pytest

from shards.dataset import ShardDataset

SHARDS = Path(__file__).parents[2] / "docs" / "shards.md"


# webdataset leaves the tars it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_ways_to_read_a_data_set(shards, celeba, capsys):
    examples = re.findall(r"```python\n(.*?)```", SHARDS.read_text(encoding="utf-8"), re.DOTALL)
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
