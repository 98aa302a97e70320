"""Splits and the order of samples inside the shards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.annotations import SPLITS, Partition
from shards.errors import DataError
from shards.packing.plan import SHARD_BYTES, given_splits, keys_of, plan_shards, random_splits


def names(*files: str) -> np.ndarray:
    return np.array([file.encode() for file in files], np.bytes_)


def numbered(num_images: int) -> np.ndarray:
    return names(*(f"{number:06d}" for number in range(num_images)))


def test_keys_are_the_paths_without_suffix():
    files = names("000001.jpg", "a-b_C.jpeg", "one/two/x.JPG", "plain")
    assert keys_of(files).tolist() == [b"000001", b"a-b_C", b"one_two_x", b"plain"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a b.jpg"], "image 'a b.jpg': its path without the suffix, 'a b', becomes the key"),
        (["../a.jpg"], "image '../a.jpg'"),
        (["a.b.jpg"], "image 'a.b.jpg'"),
        (["a.b/c"], "image 'a.b/c'"),
        (["ä.jpg"], "image 'ä.jpg'"),
        ([f"{'k' * 97}.jpg"], "becomes the key: 1 to 96 letters"),
        (["a.jpg", "b.jpg", "a.jpeg"], "'a.jpg' and 'a.jpeg' have the same key 'a'"),
        (["one/two.jpg", "one_two.jpg"], "'one/two.jpg' and 'one_two.jpg' have the same key 'one_two'"),
    ],
)
def test_keys_refuse(files, message):
    with pytest.raises(DataError, match=message):
        keys_of(names(*files))


def test_random_split_is_70_15_15_and_seeded():
    codes = random_splits(numbered(200), seed=1)
    assert np.bincount(codes).tolist() == [140, 30, 30]
    assert codes.tolist() == random_splits(numbered(200), seed=1).tolist()
    assert codes.tolist() != random_splits(numbered(200), seed=2).tolist()


def test_random_split_does_not_depend_on_the_order_of_rows():
    assert random_splits(numbered(50), seed=3).tolist() == random_splits(numbered(50)[::-1], seed=3)[::-1].tolist()


def test_partition_must_name_the_same_images():
    two = names("000000.jpg", "000001.jpg")

    def partition(**codes: int) -> Partition:
        return Partition(files=names(*(f"{file[1:]}.jpg" for file in codes)), codes=np.array([*codes.values()], np.uint8))

    assert given_splits(two, partition(_000001=0, _000000=2)).tolist() == [2, 0]
    with pytest.raises(DataError, match=r"no split for 1 images, first '000001.jpg'"):
        given_splits(two, partition(_000000=0))
    # The whole set's file serves a part of it.
    assert given_splits(two, partition(_000000=0, _000001=1, _x=0)).tolist() == [0, 1]


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=60), st.none() | st.integers(1, 70), st.integers(0, 5))
def test_every_sample_is_planned_exactly_once_in_its_split(codes, shards_per_split, seed):
    splits = np.array(codes, np.uint8)
    keys = numbered(len(codes))
    plans = plan_shards(keys, splits, np.ones(len(codes), np.int64), shards_per_split=shards_per_split, seed=seed)
    assert sorted(row for plan in plans for row in plan.rows.tolist()) == list(range(len(codes)))
    assert all({SPLITS[code] for code in splits[plan.rows]} == {plan.name[:-7]} for plan in plans)
    for code in range(3):
        wanted = min(shards_per_split or 8, codes.count(code))
        assert sum(plan.name.startswith(SPLITS[code]) for plan in plans) == wanted


def test_shards_of_a_large_set_are_about_64_mib():
    sizes = np.full(1000, SHARD_BYTES // 50)
    plans = plan_shards(numbered(1000), np.zeros(1000, np.uint8), sizes, shards_per_split=None, seed=0)
    assert len(plans) == 20
    assert [plan.name for plan in plans[:2]] == ["train-000000", "train-000001"]


def test_samples_are_shuffled_whatever_the_order_of_rows():
    keys = numbered(100)
    rows = plan_shards(keys, np.zeros(100, np.uint8), np.ones(100, np.int64), shards_per_split=1, seed=0)[0].rows
    backwards = plan_shards(keys[::-1], np.zeros(100, np.uint8), np.ones(100, np.int64), shards_per_split=1, seed=0)[0].rows
    assert abs(np.corrcoef(rows, np.arange(100))[0, 1]) < 0.3
    assert [keys[row] for row in rows] == [keys[::-1][row] for row in backwards]
