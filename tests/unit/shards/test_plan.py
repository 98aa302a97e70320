"""Splits and the order of samples inside the shards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.annotations import Annotations
from shards.errors import DataError
from shards.plan import SHARD_BYTES, keys_of, plan_shards, split_codes


def images(num_images: int) -> Annotations:
    files = tuple(f"{number:06d}.jpg" for number in range(num_images))
    return Annotations(attributes=("Young",), files=files, labels=np.zeros((num_images, 1), np.int8))


def test_keys_are_the_stems():
    assert keys_of(["000001.jpg", "a-b_C.jpeg"]) == ("000001", "a-b_C")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a b.jpg"], "image 'a b.jpg': its name"),
        (["../a.jpg"], "image '../a.jpg'"),
        (["a.b.jpg"], "image 'a.b.jpg'"),
        ([f"{'k' * 97}.jpg"], "becomes the key: 1 to 96 letters"),
        (["a.jpg", "a.jpeg"], "'a.jpg' and 'a.jpeg' have the same key 'a'"),
    ],
)
def test_keys_refuse(files, message):
    with pytest.raises(DataError, match=message):
        keys_of(files)


def test_random_split_is_70_15_15_and_seeded():
    codes = split_codes(images(200), None, seed=1)
    assert np.bincount(codes).tolist() == [140, 30, 30]
    assert codes.tolist() == split_codes(images(200), None, seed=1).tolist()
    assert codes.tolist() != split_codes(images(200), None, seed=2).tolist()


def test_random_split_does_not_depend_on_the_order_of_rows():
    forward = images(50)
    backward = Annotations(attributes=forward.attributes, files=forward.files[::-1], labels=forward.labels)
    assert split_codes(forward, None, seed=3).tolist() == split_codes(backward, None, seed=3)[::-1].tolist()


def test_partition_must_name_the_same_images():
    two = images(2)
    assert split_codes(two, {"000000.jpg": 2, "000001.jpg": 0}, seed=0).tolist() == [2, 0]
    with pytest.raises(DataError, match=r"no split for 1 images, first '000001.jpg'"):
        split_codes(two, {"000000.jpg": 0}, seed=0)
    with pytest.raises(DataError, match=r"1 images without attributes, first 'x.jpg'"):
        split_codes(two, {"000000.jpg": 0, "000001.jpg": 0, "x.jpg": 0}, seed=0)


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=60), st.none() | st.integers(1, 70), st.integers(0, 5))
def test_every_sample_is_planned_exactly_once_in_its_split(codes, shards_per_split, seed):
    splits = np.array(codes, np.uint8)
    keys = [f"k{row:03d}" for row in range(len(codes))]
    plans = plan_shards(keys, splits, np.ones(len(codes), np.int64), shards_per_split=shards_per_split, seed=seed)
    assert sorted(row for plan in plans for row in plan.rows.tolist()) == list(range(len(codes)))
    assert all((splits[plan.rows] == plan.split).all() and len(plan.rows) for plan in plans)
    for code in range(3):
        wanted = min(shards_per_split or 8, codes.count(code))
        assert sum(plan.split == code for plan in plans) == wanted


def test_shards_of_a_large_set_are_about_64_mib():
    sizes = np.full(1000, SHARD_BYTES // 50)
    plans = plan_shards([f"{row:04d}" for row in range(1000)], np.zeros(1000, np.uint8), sizes, shards_per_split=None, seed=0)
    assert len(plans) == 20
    assert [plan.name for plan in plans[:2]] == ["train-000000", "train-000001"]


def test_samples_are_shuffled_whatever_the_order_of_rows():
    keys = [f"{row:03d}" for row in range(100)]
    rows = plan_shards(keys, np.zeros(100, np.uint8), np.ones(100, np.int64), shards_per_split=1, seed=0)[0].rows
    backwards = plan_shards(keys[::-1], np.zeros(100, np.uint8), np.ones(100, np.int64), shards_per_split=1, seed=0)[0].rows
    assert abs(np.corrcoef(rows, np.arange(100))[0, 1]) < 0.3
    assert [keys[row] for row in rows] == [keys[::-1][row] for row in backwards]
