"""Masks from probabilities."""

import numpy as np
import pytest

from engine.chance import generator
from engine.dst.dropping import BLOCK, count_drops, draw_masks


def rates(probabilities: np.ndarray) -> np.ndarray:
    """The share of steps in which each task is trained: drawn, or kept because nobody was."""
    return probabilities + np.prod(1 - probabilities) * probabilities / probabilities.sum()


def test_masks_by_hand():
    probabilities = np.array([0.1, 0.3])
    masks = draw_masks(probabilities, seed=5, epoch=2, block=1)
    numbers = generator(5, "mask", 2, 1).random((BLOCK, 3))
    for mask, (first, second, last) in zip(masks.tolist(), numbers.tolist(), strict=True):
        drawn = [first < 0.1, second < 0.3]
        # Nobody: the first task up to a quarter of the last number's range, the second above.
        assert mask == (drawn if any(drawn) else [last * 0.4 < 0.1, last * 0.4 >= 0.1])


def test_seed_epoch_and_block_each_give_other_masks_and_equal_ones_the_same():
    probabilities = np.full(3, 0.5)
    masks = draw_masks(probabilities, seed=0, epoch=0, block=0)
    assert masks.shape == (BLOCK, 3)
    assert np.array_equal(masks, draw_masks(probabilities, seed=0, epoch=0, block=0))
    for other in ({"seed": 1}, {"epoch": 1}, {"block": 1}):
        assert not np.array_equal(masks, draw_masks(probabilities, **({"seed": 0, "epoch": 0, "block": 0} | other)))


@pytest.mark.parametrize("seed", range(10))
def test_tasks_are_trained_as_often_as_they_should_be(seed):
    probabilities = np.random.default_rng(seed).choice([0.01, 0.05, 0.3, 0.7, 1.0], size=seed % 4 + 1)
    masks = np.concatenate([draw_masks(probabilities, seed, 0, block) for block in range(20)])
    expected = rates(probabilities)
    assert masks.any(1).all()
    assert (np.abs(masks.mean(0) - expected) <= 5 * np.sqrt(expected * (1 - expected) / len(masks)) + 1e-12).all()


def test_the_kept_task_is_drawn_in_proportion_to_p():
    # Nearly every step falls back: 1 to 3.
    masks = np.concatenate([draw_masks(np.array([1e-9, 3e-9]), 0, 0, block) for block in range(10)])
    assert (masks.sum(1) == 1).all()
    assert masks[:, 1].mean() == pytest.approx(0.75, abs=5 * np.sqrt(0.75 * 0.25 / len(masks)))


def test_probabilities_of_one_and_of_next_to_nothing():
    tiny = np.finfo(np.float64).tiny
    assert draw_masks(np.ones(3), 0, 0, 0).all()
    assert (draw_masks(np.array([tiny, 1.0, tiny]), 0, 0, 0) == [False, True, False]).all()
    assert draw_masks(np.array([tiny]), 0, 0, 0).all()


@pytest.mark.parametrize("num_steps", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2500])
def test_drops_are_counted_as_drawn(num_steps):
    probabilities = np.array([0.05, 0.5, 1.0])
    blocks = np.concatenate([draw_masks(probabilities, 3, 4, block) for block in range(3)])
    assert count_drops(probabilities, 3, 4, num_steps).tolist() == (~blocks[:num_steps]).sum(0).tolist()
