"""Fast adaptive multitask optimisation."""

import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from engine.loop.balance.famo import Famo
from tests.unit.loop.balance.small import facts


def famo(buffers=(), repeat_chance=None) -> Famo:
    return Famo(Accelerator(cpu=True), 2, buffers=buffers, repeat_chance=repeat_chance)


def weights(balancer, losses=(1.0, 2.0)) -> list[float]:
    """What each loss's gradient is multiplied by."""
    parameters = torch.ones(2, requires_grad=True)
    balancer.backward(parameters * torch.tensor(losses), facts())
    return (parameters.grad / torch.tensor(losses)).tolist()


def logits(balancer) -> list[float]:
    (name,) = (name for name in balancer.tensors() if name == "_w")
    return balancer.tensors()[name].tolist()


def test_weights_worked_out_by_hand():
    # ½ / L = ½ and ¼; by their sum ¾.
    assert weights(famo()) == pytest.approx([2 / 3, 1 / 3])


def test_the_task_that_fell_more_weighs_less_in_the_next_step():
    balancer = famo()
    weights(balancer)
    balancer.updated(facts(), lambda: torch.tensor([0.5, 2.0]))
    # δ = (ln 2, 0), its gradient ±¼ ln 2: Adam's first step is its learning rate, against the sign.
    assert logits(balancer) == pytest.approx([-0.025, 0.025], rel=1e-4)
    z = [math.exp(sign * 0.025) for sign in (-1, 1)]
    assert weights(balancer) == pytest.approx([z[0] / (z[0] + z[1] / 2), z[1] / 2 / (z[0] + z[1] / 2)], rel=1e-5)


def test_the_second_pass_draws_the_same_and_leaves_no_trace():
    norm, asked = nn.BatchNorm1d(2), []
    norm(torch.randn(8, 2))
    kept = {name: value.clone() for name, value in norm.state_dict().items()}

    def again():
        assert not torch.is_grad_enabled()
        return norm(torch.randn(8, 2)).square().mean(0) + 1

    balancer = famo(list(norm.buffers()), lambda epoch, step: asked.append((epoch, step)))
    weights(balancer)
    balancer.updated(facts(epoch=3, step=5), again)
    assert asked == [(3, 5)]
    assert all(torch.equal(value, kept[name]) for name, value in norm.state_dict().items())


def test_a_loss_that_is_not_finite_harms_nobody_else():
    balancer = famo()
    # As if it were 1, and had no gradient.
    assert weights(balancer, (1.0, math.nan))[0] == pytest.approx(0.5)
    balancer.updated(facts(), lambda: torch.tensor([1.0, math.inf]))
    assert logits(balancer) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("num_steps", [0, 3])
def test_memory(num_steps):
    balancer, other = famo(), famo()

    def train(each, number):
        found = weights(each, (1.0 + number, 2.0))
        each.updated(facts(), lambda: torch.tensor([0.9 + number, 1.5]))
        return found

    for number in range(num_steps):
        train(balancer, number)
    train(other, 7)
    other.load_tensors({name: value.clone() for name, value in balancer.tensors().items()})
    for number in range(3):
        assert train(other, number) == train(balancer, number)
    assert logits(other) == logits(balancer)
