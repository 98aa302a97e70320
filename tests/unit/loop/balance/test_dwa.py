"""Dynamic weight average."""

import math

import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.balance.dwa import DynamicWeightAverage
from tests.unit.loop.balance.small import facts


def weights(balancer, trained=(True, True)) -> list[float]:
    """T times what each loss is multiplied by in the step loss."""
    losses = torch.ones(len(trained), requires_grad=True)
    balancer.backward(losses * 3, facts(trained))
    return (losses.grad * len(trained) / 3).tolist()


def after(*epochs) -> DynamicWeightAverage:
    balancer = DynamicWeightAverage(Accelerator(cpu=True), len(epochs[0]))
    for losses in epochs:
        balancer.observe(losses)
    return balancer


def test_all_weigh_1_before_there_are_two_epochs():
    assert weights(DynamicWeightAverage(Accelerator(cpu=True), 2)) == [1, 1]
    assert weights(after((1.0, 2.0))) == [1, 1]


def test_weights_worked_out_by_hand():
    # Rates ½ and 1, by 2: exp(0.25) = 1.284025, exp(0.5) = 1.648721; by their sum 2.932747, times 2.
    assert weights(after((1.0, 2.0), (0.5, 2.0))) == pytest.approx([0.875647, 1.124353], abs=1e-6)


def test_only_the_last_two_epochs_count():
    assert weights(after((9.0, 0.1), (1.0, 2.0), (0.5, 2.0))) == weights(after((1.0, 2.0), (0.5, 2.0)))


def test_a_dropped_task_changes_nobodys_weight():
    balancer = after((1.0, 2.0), (0.5, 2.0))
    assert weights(balancer, (True, False)) == [weights(balancer)[0], 0]


@pytest.mark.parametrize("epochs", [((1.0, 0.0), (1.0, 0.0)), ((1.0, 0.0), (1.0, 3.0)), ((1.0, 3.0), (1.0, 0.0))])
def test_a_loss_of_0_has_no_rate_and_counts_as_standing_still(epochs):
    assert weights(after(*epochs)) == [1, 1]


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)), min_size=2, max_size=40))
def test_weights_sum_to_the_number_of_tasks_and_rise_with_the_rate(epochs):
    older, newer = zip(*sorted(epochs, key=lambda pair: pair[1] / pair[0]), strict=True)
    found = weights(after(older, newer), (True,) * len(epochs))
    assert sum(found) == pytest.approx(len(epochs), rel=1e-5)
    assert all(math.isfinite(weight) for weight in found)
    assert found == sorted(found)


def test_memory():
    balancer, other = after((1.0, 2.0), (0.5, 2.0)), DynamicWeightAverage(Accelerator(cpu=True), 2)
    other.load_tensors(balancer.tensors())
    assert weights(other) == weights(balancer)
    for each in (balancer, other):
        each.observe((0.1, 0.3))
    assert weights(other) == weights(balancer)
