"""Who is in which batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline.order import Order


def epoch_ids(order: Order, epoch: int) -> list[int]:
    return np.concatenate([order.batch(epoch, step) for step in range(order.steps_per_epoch)]).tolist()


@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 3), st.booleans(), st.integers(0, 1000))
def test_every_sample_exactly_once_per_epoch(num_samples, batch_size, epoch, shuffle, start):
    order = Order(ids=range(start, start + num_samples), batch_size=batch_size, seed=5, shuffle=shuffle)
    assert sorted(epoch_ids(order, epoch)) == list(range(start, start + num_samples))


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8])
def test_ranks_together_are_the_global_batch(world_size):
    order = Order(ids=range(10, 111), batch_size=24, seed=1, shuffle=True)
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


def test_shuffles_differ_between_epochs_and_seeds_and_repeat():
    def epoch(seed, number):
        return epoch_ids(Order(ids=range(100), batch_size=10, seed=seed, shuffle=True), number)

    assert epoch(0, 0) == epoch(0, 0)
    assert len({tuple(epoch(seed, number)) for seed in (0, 1) for number in (0, 1)}) == 4


def test_drop_last_leaves_out_only_the_partial_batch():
    assert Order(ids=range(10), batch_size=4, drop_last=True).steps_per_epoch == 2
    assert Order(ids=range(8), batch_size=4, drop_last=True).steps_per_epoch == 2
    assert Order(ids=range(10), batch_size=4).steps_per_epoch == 3


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
