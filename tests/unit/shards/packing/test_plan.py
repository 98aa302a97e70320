"""The order of samples inside the shards."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.annotations import SPLITS
from shards.packing.plan import SHARD_BYTES, plan_shards


def names(*files: str) -> np.ndarray:
    return np.array([file.encode() for file in files], np.bytes_)


def numbered(num_images: int) -> np.ndarray:
    return names(*(f"{number:06d}" for number in range(num_images)))


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
