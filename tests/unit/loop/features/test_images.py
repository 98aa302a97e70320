"""Damaged images in the pass: what training would make of them."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from engine.loop.features.images import Images, shard_state
from engine.pipeline.loading_plan import Place
from shards.dataset import ShardDataset
from shards.errors import DataError

PLACE = Place(rank=0, world_size=1, device=torch.device("cpu"))
# 52 training samples, then 13 of val and 15 of test.
TRAIN, VAL = 3, 55
REASON = "is damaged"


def images(configure, data, **options) -> Images:
    return Images(configure(**options), data, PLACE)


def test_the_first_that_the_run_uses_ends_it(configure, data):
    with pytest.raises(DataError, match=f"image '{data.dataset.key(VAL)}' is damaged; restore the shard, pack again, or set"):
        images(configure, data).judge({VAL: REASON})


def test_one_that_the_run_does_not_use_is_none_of_its_business(configure, data):
    for used in (range(2), np.array([0, 1, 40])):
        limited = dataclasses.replace(data, ids=data.ids | {"train": used})
        found = images(configure, limited).judge({TRAIN: REASON})
        assert {sample: bad.reason for sample, bad in found.items()} == {TRAIN: REASON}
        with pytest.raises(DataError, match=f"image '{data.dataset.key(1)}' is damaged"):
            images(configure, limited).judge({1: REASON})


def test_each_split_has_its_own_budget(configure, data):
    judge = images(configure, data, pipeline={"on_bad_sample": "skip", "max_bad_samples": 2}).judge
    found = judge({0: REASON, 1: REASON, VAL: REASON})
    assert sorted(found) == [0, 1, VAL]
    assert all(bad.shard == shard_state(data.dataset, sample) for sample, bad in found.items())
    judge({VAL + 1: REASON})
    # One that is known already counts once.
    judge({0: REASON})
    with pytest.raises(DataError, match=f"image '{data.dataset.key(2)}' .* one more than pipeline.max_bad_samples 2 allows"):
        judge({2: REASON})


def test_a_shard_that_is_touched_has_another_state(shards, tmp_path):
    dataset = ShardDataset(shutil.copytree(shards, tmp_path / "copy"))
    before = shard_state(dataset, TRAIN)
    assert shard_state(dataset, TRAIN) == before != shard_state(dataset, VAL)
    path = dataset.shard_path(int(dataset.index[TRAIN]["shard"]))
    data = path.read_bytes()
    path.unlink()
    gone = shard_state(dataset, TRAIN)
    path.write_bytes(data)
    assert len({before, gone, shard_state(dataset, TRAIN)}) == 3
