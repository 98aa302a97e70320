"""Which samples of the training split are used."""

import numpy as np
import pytest

from engine.config import DataConfig
from engine.pipeline.selection import shard_sizes, training_ids
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from tests.conftest import NUM_TRAIN


def chosen(shards, **options):
    return training_ids(DataConfig(shards="unused", **options), ShardDataset(shards))


@pytest.fixture
def keys(shards):
    """The training keys, in the order of their ids."""
    dataset = ShardDataset(shards)
    return [dataset.key(number) for number in dataset.split_range("train")]


def test_all_and_the_first_so_many(shards):
    assert chosen(shards) == range(NUM_TRAIN)
    assert chosen(shards, limit=20) == range(20)
    assert chosen(shards, limit=NUM_TRAIN) == range(NUM_TRAIN)
    with pytest.raises(ConfigurationError, match=r"data.limit is 53, but there are 52 training samples"):
        chosen(shards, limit=53)


def test_listed_keys_in_the_order_of_the_data_set_whatever_the_lists(shards, tmp_path, keys):
    path = tmp_path / "keys.txt"
    path.write_text("\r\n".join(reversed(keys[10:30:3])) + "\n")
    ids = chosen(shards, keys=path)
    assert ids.tolist() == list(range(10, 30, 3))
    assert chosen(shards, keys=path, limit=2).tolist() == [10, 13]
    # As Windows' editor writes it.
    path.write_text("\n".join(keys[10:30:3]), encoding="utf-8-sig")
    assert chosen(shards, keys=path).tolist() == list(range(10, 30, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no keys"),
        ("{0}\n{1}\n{0}\n", "lists '{0}' twice"),
        ("{0}\nnobody\n", "1 of 2 keys are not in the training split: 'nobody'"),
        ("{val}\n", "1 of 1 keys are not in the training split: '{val}'"),
    ],
)
def test_wrong_lists_are_refused(shards, tmp_path, keys, text, message):
    dataset = ShardDataset(shards)
    names = {"val": dataset.key(dataset.split_range("val").start)}
    path = tmp_path / "keys.txt"
    path.write_text(text.format(*keys, **names))
    with pytest.raises(ConfigurationError, match=message.format(*keys, **names)):
        chosen(shards, keys=path)
    with pytest.raises(DataError, match=r"nowhere: cannot be read"):
        chosen(shards, keys=tmp_path / "nowhere")


def test_how_many_of_the_chosen_lie_in_each_shard(shards):
    dataset = ShardDataset(shards)
    sizes = [shard.samples for shard in dataset.manifest.shards if shard.split == "train"]
    assert shard_sizes(dataset, "train", range(NUM_TRAIN)).tolist() == sizes
    assert shard_sizes(dataset, "train", range(sizes[0] + 2)).tolist() == [sizes[0], 2]
    some = np.array([0, 5, sizes[0] + sizes[1], NUM_TRAIN - 1])
    assert shard_sizes(dataset, "train", some).tolist() == [2, 2]
    val = dataset.split_range("val")
    assert shard_sizes(dataset, "val", val).sum() == len(val)
