"""Equal weights are what the loop does without a balancer."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from engine.loop.balance.equal import EqualWeights
from tests.unit.loop.balance.small import ALL, batch, build, facts


@pytest.mark.parametrize("num_tasks", range(1, 65))
def test_the_gradient_is_that_of_the_mean_over_all_tasks_to_the_last_bit(num_tasks):
    weights = torch.linspace(0.1, 2, num_tasks).requires_grad_()
    trained = np.arange(num_tasks) % 3 != 1
    EqualWeights(Accelerator(cpu=True)).backward(weights.sqrt(), facts(trained))
    plain = weights.detach().clone().requires_grad_()
    (torch.where(torch.from_numpy(trained), plain.sqrt(), 0).sum() * (1 / num_tasks)).backward()
    assert torch.equal(weights.grad, plain.grad)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_losses_and_weights_are_those_without_a_balancer(micro_batch_size):
    none, equal = (build(name, micro_batch_size=micro_batch_size) for name in ("none", "torchjd.equal"))
    for number in range(4):
        mask = ALL if number else np.array([True, False, True])
        expected, got = (built.step(batch(number, missing=0.3), mask) for built in (none, equal))
        assert torch.equal(expected.losses, got.losses)
        assert torch.equal(expected.step_loss, got.step_loss)
    assert all(torch.equal(*pair) for pair in zip(none.module.parameters(), equal.module.parameters(), strict=True))
