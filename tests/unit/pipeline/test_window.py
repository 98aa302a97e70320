"""Shards in random order, samples in random order within a window of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline.window import WindowShuffle


def shuffled(sizes, window, seed=0) -> np.ndarray:
    shuffle = WindowShuffle(np.array(sizes), window, np.random.SeedSequence(seed))
    return shuffle(np.arange(sum(sizes), dtype=np.int64))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(1, 15), st.integers(0, 5))
def test_it_is_a_permutation_and_each_window_holds_whole_shards(sizes, window, seed):
    order = shuffled(sizes, window, seed)
    assert sorted(order.tolist()) == list(range(sum(sizes)))
    shard_of = np.repeat(np.arange(len(sizes)), sizes)[order]
    position, turns = 0, []
    while position < len(order):
        # The shards that fill the next window: as many as a window has, and complete.
        members, end = set(), position
        while end < len(order) and (shard_of[end] in members or len(members) < window):
            members.add(int(shard_of[end]))
            end += 1
        assert end - position == sum(sizes[shard] for shard in members)
        turns += members
        position = end
    assert sorted(turns) == list(range(len(sizes)))


def test_shards_and_samples_are_both_mixed():
    order = shuffled([100] * 20, 4)
    shard_of = order // 100
    windows = [frozenset(shard_of[at : at + 400].tolist()) for at in range(0, 2000, 400)]
    assert all(len(window) == 4 for window in windows)
    # Neighbours in the file are rarely neighbours in a window, and windows are not runs of shards.
    assert np.mean(np.abs(np.diff(order)) == 1) < 0.02
    assert all(max(window) - min(window) > 3 for window in windows)
    within = order[:400]
    ranks = np.argsort(np.argsort(within))
    assert abs(np.corrcoef(np.arange(400), ranks)[0, 1]) < 0.15


def test_every_window_is_mixed_in_its_own_way():
    # Windows of one shard each, all of a size: what stands where inside them can be compared.
    inside = shuffled([50] * 6, 1).reshape(6, 50) % 50
    assert len({tuple(row) for row in inside.tolist()}) == 6


def test_seeds_differ_and_a_part_is_the_same_as_of_the_whole():
    sizes = [5, 9, 2, 14, 7, 7]
    assert shuffled(sizes, 2, 0).tolist() != shuffled(sizes, 2, 1).tolist()
    shuffle = WindowShuffle(np.array(sizes), 2, np.random.SeedSequence(0))
    whole = shuffled(sizes, 2, 0)
    for begin in range(0, 44, 5):
        assert shuffle(np.arange(begin, min(begin + 5, 44))).tolist() == whole[begin : begin + 5].tolist()


def test_which_shards_and_positions_belong_to_a_window():
    sizes = [5, 9, 2, 14, 7]
    shuffle = WindowShuffle(np.array(sizes), 2, np.random.SeedSequence(3))
    assert shuffle.num_windows == 3
    begins = np.cumsum([0, *sizes[:-1]]).tolist()
    whole = shuffled(sizes, 2, 3)
    for window in range(3):
        shards = [begins.index(first) for first in shuffle.first_of_shards(window).tolist()]
        positions = [position for position in range(37) if shuffle.window_at(position) == window]
        assert sorted(whole[positions].tolist()) == sorted(
            sample for shard in shards for sample in range(begins[shard], begins[shard] + sizes[shard])
        )


def test_a_window_needs_a_shard():
    with pytest.raises(ValueError, match="window_shards is 0"):
        WindowShuffle(np.array([3]), 0, np.random.SeedSequence(0))
