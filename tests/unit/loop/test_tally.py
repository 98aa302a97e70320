"""An epoch's sums."""

import numpy as np
import pytest
import torch

from engine.loop.step import StepOutcome
from engine.loop.tally import EpochTally

CPU = torch.device("cpu")


def test_means_over_samples_steps_and_ranks():
    # Two ranks, two steps. Task 0: 4 and 2 labelled samples with mean losses 1.0 and 0.4; task 1 without any.
    ranks = [EpochTally(2, 2, CPU) for _ in range(2)]
    for tally, shares in zip(ranks, ((0.7, 0.1), (0.3, 0.3)), strict=True):
        for share, count, step_loss, mask in zip(shares, (4.0, 2.0), (0.5, 0.1), ([True, False], [True, True]), strict=True):
            outcome = StepOutcome(losses=torch.tensor([share, 0.0]), step_loss=torch.tensor(step_loss), trained=np.array(mask))
            tally.add(outcome, torch.tensor([count, 0.0]))
    means = ranks[0].means(ranks[0].sums + ranks[1].sums)
    assert means.task_losses == (pytest.approx((4 * 1.0 + 2 * 0.4) / 6), 0.0)
    assert means.defined_losses == (means.task_losses[0], None)
    assert means.loss == pytest.approx((0.5 + 0.1) * 2 / 2)
    assert means.active_shares == (1.0, 0.5)


def test_going_on_from_a_checkpoint():
    tally, resumed = EpochTally(1, 1, CPU), EpochTally(1, 1, CPU)
    step = (StepOutcome(losses=torch.tensor([0.3]), step_loss=torch.tensor(0.3), trained=np.array([True])), torch.tensor([5.0]))
    tally.add(*step)
    resumed.load(torch.tensor(tally.sums.tolist(), dtype=torch.float64), tally.num_active, tally.num_steps)
    for current in (tally, resumed):
        current.add(*step)
    assert tally.means(tally.sums) == resumed.means(resumed.sums)
