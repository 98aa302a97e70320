"""The keyed permutation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pipeline.permutation import Permutation, _mix


def whole(size: int, seed: int) -> np.ndarray:
    return Permutation(size, np.random.SeedSequence(seed))(np.arange(size))


@given(st.integers(1, 3000), st.integers(0, 2**32))
def test_every_element_once(size, seed):
    assert np.array_equal(np.sort(whole(size, seed)), np.arange(size))


@given(st.integers(2, 500), st.integers(0, 100))
def test_any_slice_alone_is_the_slice_of_the_whole(size, seed):
    part = Permutation(size, np.random.SeedSequence(seed))(np.arange(size // 2, size))
    assert np.array_equal(part, whole(size, seed)[size // 2 :])


@pytest.mark.parametrize("size", [20_000, 20_003, 16_384, 65_537])
def test_order_is_not_correlated_with_position(size):
    for seed in range(5):
        assert abs(np.corrcoef(whole(size, seed), np.arange(size))[0, 1]) < 0.02


def test_small_domains_are_shuffled_uniformly():
    # 6 elements, 720 orders: chi-square of the first element's and of the last's place over 6,000 seeds, 5 degrees of freedom.
    draws = np.array([whole(6, seed) for seed in range(6000)])
    for place in range(6):
        counts = np.bincount(draws[:, place], minlength=6)
        assert ((counts - 1000) ** 2 / 1000).sum() < 25.7  # p = 0.0001
    assert len({tuple(row) for row in draws.tolist()}) > 715


def test_the_round_function_is_the_finaliser_of_splitmix64():
    # The generator's first numbers from the seed 1234567, as its other implementations print them.
    states = np.array([(1234567 + number * 0x9E3779B97F4A7C15) % 2**64 for number in (1, 2, 3)], np.uint64)
    assert _mix(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_seed_means_the_same_permutation_for_ever():
    # Who goes on with a run of another version must meet the samples that are left in the epoch, and no other.
    assert whole(10, 0).tolist() == [4, 6, 8, 9, 0, 2, 5, 7, 3, 1]
    large = Permutation(10**9, np.random.SeedSequence(7))
    assert large(np.array([0, 1, 10**9 - 1])).tolist() == [918925677, 657991790, 352747273]


def test_a_hundred_million_elements_cost_nothing_up_front():
    permutation = Permutation(10**8, np.random.SeedSequence(0))
    result = permutation(np.arange(10**8 - 1000, 10**8))
    assert len(set(result.tolist())) == 1000
    assert result.min() >= 0
    assert result.max() < 10**8


@pytest.mark.parametrize("size", [0, 2**62 + 1])
def test_sizes_out_of_range(size):
    with pytest.raises(ValueError, match="size is"):
        Permutation(size, np.random.SeedSequence(0))
