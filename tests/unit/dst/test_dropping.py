"""What schedulers that drop tasks have in common."""

import numpy as np
import pytest

from engine.dst.dropping import BLOCK, TaskDropping, draw_masks
from tests.unit.dst.built import facts

TASKS = ("a", "b", "c")


class Halving(TaskDropping):
    """P halves with every epoch, and is lower by the losses of the last one."""

    def _probabilities(self, epoch: int) -> np.ndarray:
        history = self.before(epoch)
        return 0.5**epoch - (history[-1] if epoch else np.zeros(len(self.tasks)))


def halving(num_epochs=0, seed=0, granularity="step") -> Halving:
    built = Halving(facts(TASKS, seed=seed), granularity=granularity)
    for epoch in range(num_epochs):
        built.observe(epoch, (0.0, 0.1, 0.2))
    return built


def test_masks_are_those_of_the_draw_across_blocks():
    built = halving(1, seed=7)
    expected = np.concatenate([draw_masks(np.array([0.5, 0.4, 0.3]), 7, 1, block) for block in range(3)])
    assert built.probabilities(1) == pytest.approx([0.5, 0.4, 0.3])
    for step in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 5, 3):
        assert built.mask(1, step).tolist() == expected[step].tolist()


def test_granularity_epoch_draws_once_for_all_steps():
    built = halving(4, granularity="epoch")
    assert all(np.array_equal(built.mask(epoch, step), built.mask(epoch, 0)) for epoch in range(4) for step in (1, BLOCK, 5000))
    assert built.mask(2, 77).tolist() == halving(4).mask(2, 0).tolist()
    assert len({tuple(halving(3, seed=seed, granularity="epoch").mask(2, 0)) for seed in range(50)}) > 1


def test_drops_are_counted_for_either_granularity():
    for granularity in ("step", "epoch"):
        built = halving(2, granularity=granularity)
        masks = np.array([built.mask(1, step) for step in range(1500)])
        assert built.drops(1, 1500).tolist() == (1500 - masks.sum(0)).tolist()


def test_whoever_writes_into_an_array_harms_nobody():
    built = halving(1)
    before = built.mask(1, 3).tolist()
    for array in (built.mask(1, 3), built.probabilities(1), built.loss_weights(1)):
        array[:] = ~array if array.dtype == bool else 0
    assert built.mask(1, 3).tolist() == before
    assert built.probabilities(1) == pytest.approx([0.5, 0.4, 0.3])
    assert built.loss_weights(1).tolist() == [1, 1, 1]


def test_a_loaded_state_replaces_what_was_known():
    built, other = halving(1), halving()
    other.observe(0, (0.4, 0.4, 0.0))
    assert [built.mask(1, step).tolist() for step in range(30)] != [other.mask(1, step).tolist() for step in range(30)]
    built.load_state_dict(other.state_dict())
    assert built.probabilities(1) == pytest.approx([0.1, 0.1, 0.5])
    assert [built.mask(1, step).tolist() for step in range(30)] == [other.mask(1, step).tolist() for step in range(30)]


def test_an_epoch_needs_those_before_it():
    with pytest.raises(ValueError, match="probabilities of epoch 2 need 2 observed epochs, there are 1"):
        halving(1).mask(2, 0)
