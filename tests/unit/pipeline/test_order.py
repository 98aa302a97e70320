"""Who is in which batch."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline.order import Order


def epoch_ids(order: Order, epoch: int) -> list[int]:
    return np.concatenate([order.batch(epoch, step) for step in range(order.steps_per_epoch)]).tolist()


def order_over(ids, shuffle: str, shard: int = 7, **options) -> Order:
    """An order over ids that lie in shards of so many samples each."""
    if shuffle == "window":
        options |= {"shard_sizes": np.diff([*range(0, len(ids), shard), len(ids)]), "window_shards": 3}
    return Order(ids=ids, shuffle=shuffle, **options)


SHUFFLES = ("none", "global", "window")
ANY = (st.integers(1, 300), st.integers(1, 50), st.integers(0, 3), st.sampled_from(SHUFFLES), st.integers(0, 1000))


@given(*ANY, st.booleans(), st.booleans())
def test_every_sample_exactly_once_per_epoch(num_samples, batch_size, epoch, shuffle, start, as_array, drop_last):
    ids = range(start, start + num_samples)
    if drop_last and num_samples < batch_size:
        return
    order = order_over(np.array(ids) * 3 if as_array else ids, shuffle, batch_size=batch_size, seed=5, drop_last=drop_last)
    seen = epoch_ids(order, epoch)
    assert len(seen) == len(set(seen)) == (num_samples // batch_size * batch_size if drop_last else num_samples)
    assert set(seen) <= set(np.array(order.ids).tolist())


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8])
def test_ranks_together_are_the_global_batch(world_size, shuffle):
    order = order_over(range(10, 111), shuffle, batch_size=24, seed=1)
    for step in range(order.steps_per_epoch):
        slices = [order.rank_slice(2, step, rank, world_size) for rank in range(world_size)]
        assert {len(part.ids) for part in slices} == {24 // world_size}
        assert np.concatenate([part.ids[: part.num_valid] for part in slices]).tolist() == order.batch(2, step).tolist()
    # 101 samples make four full batches and one of 5.
    assert sum(order.rank_slice(2, 4, rank, world_size).num_valid for rank in range(world_size)) == 5


def test_without_shuffle_the_ids_come_in_order_every_epoch():
    order = Order(ids=range(3, 10), batch_size=4)
    assert [order.batch(epoch, 0).tolist() for epoch in (0, 1)] == [[3, 4, 5, 6]] * 2
    assert order.batch(0, 1).tolist() == [7, 8, 9]
    assert order.rank_slice(0, 1, 1, 2).ids.tolist() == [9, 9]
    assert order.rank_slice(0, 1, 1, 2).num_valid == 1


@pytest.mark.parametrize("shuffle", ["global", "window"])
def test_shuffles_differ_between_epochs_and_seeds_and_repeat(shuffle):
    def epoch(seed, number):
        return epoch_ids(order_over(range(100), shuffle, batch_size=10, seed=seed), number)

    assert epoch(0, 0) == epoch(0, 0)
    assert len({tuple(epoch(seed, number)) for seed in (0, 1) for number in (0, 1)}) == 4


@pytest.mark.parametrize(
    ("shuffle", "first", "later"),
    [
        ("none", [100, 101, 102, 103, 104, 105], [106, 107, 108, 109, 110, 111]),
        ("global", [100, 103, 114, 102, 117, 104], [101, 115, 118, 119, 108, 116]),
        ("window", [102, 114, 109, 104, 100, 105], [114, 116, 109, 108, 103, 101]),
    ],
)
def test_a_seed_means_the_same_batches_for_ever(shuffle, first, later):
    # A checkpoint holds a position and no order: a run that goes on under another version must meet the samples that are left.
    order = order_over(range(100, 120), shuffle, batch_size=6, seed=3)
    assert order.batch(0, 0).tolist() == first
    assert order.batch(2, 1).tolist() == later


@pytest.mark.parametrize("as_array", [False, True])
def test_a_window_names_a_sample_of_each_of_its_shards(as_array):
    # Three shards, of 7, 7 and 6 samples.
    ids = np.arange(100, 160, 3) if as_array else range(100, 120)
    order = Order(ids=ids, batch_size=4, shuffle="window", shard_sizes=np.array([7, 7, 6]), window_shards=2)
    named = [order.shards_of_window(1, window).tolist() for window in range(order.window(1, 0)[1])]
    assert [len(window) for window in named] == [2, 1]
    assert sorted([*named[0], *named[1]]) == np.array(ids)[[0, 7, 14]].tolist()


@pytest.mark.parametrize("shuffle", ["global", "window"])
def test_any_batch_is_the_same_in_whatever_order_they_are_asked_for(shuffle):
    asked = [(epoch, step) for epoch in range(4) for step in range(10)]
    order = order_over(range(100), shuffle, batch_size=10, seed=2)
    straight = {place: order.batch(*place).tolist() for place in asked}
    mixed = [asked[number] for number in np.random.default_rng(0).permutation(len(asked))]
    assert all(order.batch(*place).tolist() == straight[place] for place in mixed)


def test_a_global_shuffle_leaves_no_trace_of_the_order_of_the_ids():
    for seed in range(3):
        for epoch in range(2):
            seen = epoch_ids(Order(ids=range(20_000), batch_size=128, seed=seed, shuffle="global"), epoch)
            assert abs(np.corrcoef(np.arange(20_000), seen)[0, 1]) < 0.02


def test_drop_last_leaves_out_only_the_partial_batch():
    assert Order(ids=range(10), batch_size=4, drop_last=True).steps_per_epoch == 2
    assert Order(ids=range(8), batch_size=4, drop_last=True).steps_per_epoch == 2
    assert Order(ids=range(10), batch_size=4).steps_per_epoch == 3


@pytest.mark.parametrize("shuffle", ["global", "window"])
def test_a_hundred_million_samples_need_no_more_memory_than_a_thousand(shuffle):
    def peak(num_samples: int) -> int:
        tracemalloc.start()
        order = order_over(range(num_samples), shuffle, shard=max(10, num_samples // 12_500), batch_size=128)
        for place in ((0, 0), (0, order.steps_per_epoch - 1), (7, order.steps_per_epoch // 2)):
            order.batch(*place)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    peak(1000)
    # A window's book-keeping is per shard: 12,500 of them here, 3 numbers each.
    assert peak(100_000_000) < peak(1000) + (2_000_000 if shuffle == "window" else 50_000)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="3 samples make no batch of 4"):
        Order(ids=range(3), batch_size=4, drop_last=True)
    with pytest.raises(ValueError, match="0 samples make no batch"):
        Order(ids=range(0), batch_size=4)
    with pytest.raises(ValueError, match="batch_size is 0"):
        Order(ids=range(3), batch_size=0)
    with pytest.raises(ValueError, match="step is 2, expected 0 to 1"):
        Order(ids=range(8), batch_size=4).batch(0, 2)
    with pytest.raises(ValueError, match="batch_size 4 cannot be shared evenly by 3 ranks"):
        Order(ids=range(8), batch_size=4).rank_slice(0, 0, 0, 3)
    with pytest.raises(ValueError, match="needs shard_sizes and window_shards"):
        Order(ids=range(8), batch_size=4, shuffle="window")
    with pytest.raises(ValueError, match="shard_sizes add up to 7, but there are 8 samples"):
        Order(ids=range(8), batch_size=4, shuffle="window", shard_sizes=np.array([3, 4]), window_shards=1)
