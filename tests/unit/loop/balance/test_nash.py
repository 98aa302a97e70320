"""Multi-task learning as a bargaining game."""

import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from engine.loop.balance.nash import NashBalancer
from tests.unit.loop.balance.small import HAS_ECOS, facts

pytestmark = pytest.mark.skipif(not HAS_ECOS, reason="the solver has no wheels for this Python")


def nash():
    shared, own = [nn.Parameter(torch.tensor([0.4, -0.2]))], [nn.Parameter(torch.tensor(1.0)) for _ in range(2)]
    return NashBalancer(Accelerator(cpu=True), 2, shared=shared, own=own, seed=0), shared[0], own


def gradient(built, rows) -> list[float]:
    balancer, shared, own = built
    balancer.backward(torch.tensor(rows) @ shared + torch.stack([3 * own[0], 5 * own[1]]), facts())
    found = shared.grad.tolist()
    shared.grad = None
    return found


def test_two_tasks_at_right_angles_gain_alike():
    # Along (1, 1), whatever the gradients' length: w = 1 / length for each.
    built = nash()
    assert gradient(built, [(1.0, 0.0), (0.0, 3.0)]) == pytest.approx([math.sqrt(0.5)] * 2, rel=1e-3)
    assert [parameter.grad.item() for parameter in built[2]] == [1.5, 2.5]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 50.0])
def test_a_step_is_1_long(scale):
    assert math.hypot(*gradient(nash(), [(3.0 * scale, scale), (-2.0 * scale, 5.0 * scale)])) == pytest.approx(1, rel=1e-4)


def test_a_task_without_gradient_leaves_the_weights_as_they_were():
    built = nash()
    # At first both weigh 1.
    assert gradient(built, [(8.0, 0.0), (0.0, 0.0)]) == [1, 0]
    assert gradient(built, [(0.0, 0.0), (0.0, 0.0)]) == [0, 0]
    gradient(built, [(3.0, 0.0), (0.0, 4.0)])
    before = built[0].tensors()["weights"].tolist()
    # Of lengths 3/5 and 4/5.
    assert before == pytest.approx([5 / 3, 5 / 4], rel=1e-3)
    assert gradient(built, [(0.0, 0.0), (0.0, 2.0)]) == pytest.approx([0, 1])
    assert math.isnan(gradient(built, [(math.nan, 0.0), (0.0, 2.0)])[0])
    assert built[0].tensors()["weights"].tolist() == before


def test_memory():
    built, other = nash(), nash()
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(8, 2, 2, generator=generator).tolist()
    gradient(built, steps[0])
    gradient(built, steps[1])
    gradient(other, steps[7])
    other[0].load_tensors({name: value.clone() for name, value in built[0].tensors().items()})
    for rows in steps[2:7]:
        assert gradient(other, rows) == gradient(built, rows)
