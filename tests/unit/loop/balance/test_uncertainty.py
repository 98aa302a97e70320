"""Weights from learnt uncertainties."""

import math

import pytest
import torch
from accelerate import Accelerator

from engine.loop.balance.uncertainty import UncertaintyWeights
from tests.unit.loop.balance.small import ALL, batch, build, facts


def found(losses=(2.0, 4.0), log_variances=(0.0, 0.0), *, trained=(True, True), num_parts=1):
    """Gradients of the losses, and of the log variances."""
    balancer = UncertaintyWeights(Accelerator(cpu=True), 2)
    balancer.load_tensors({"log_variances": torch.tensor(log_variances)})
    weights = torch.ones(2, requires_grad=True)
    for _ in range(num_parts):
        balancer.backward(weights * torch.tensor(losses) / num_parts, facts(trained, num_parts=num_parts))
    gradients = [None if parameter.grad is None else parameter.grad.item() for parameter in balancer.parameters()]
    return (weights.grad / torch.tensor(losses)).tolist(), gradients


def test_gradients_worked_out_by_hand():
    # d/dL (½ exp(-s) L + ½ s) / 2 = exp(-s) / 4, d/ds = (1 - exp(-s) L) / 4.
    assert found() == ([0.25, 0.25], [-0.25, -0.75])
    losses, log_variances = found(log_variances=(math.log(2), math.log(4)))
    assert losses == pytest.approx([1 / 8, 1 / 16])
    assert log_variances == pytest.approx([0, 0], abs=1e-7)


def test_a_dropped_task_has_no_part():
    assert found(trained=(True, False)) == ([0.25, 0], [-0.25, None])
    assert found(losses=(2.0, math.nan), trained=(True, False))[1] == [-0.25, None]


@pytest.mark.parametrize("num_parts", [2, 4])
def test_parts_add_up_to_the_batch(num_parts):
    assert found(num_parts=num_parts) == found()


def test_the_model_s_optimiser_learns_the_variances_and_a_dropped_ones_stand_still():
    built = build("torchjd.uncertainty", weight_decay=0.1)
    for number in range(3):
        built.step(batch(number), ALL)
    before = built.balancer.tensors()["log_variances"]
    assert (before != 0).all()
    trained = ALL.copy()
    trained[1] = False
    built.step(batch(3), trained)
    moved = built.balancer.tensors()["log_variances"] != before
    assert moved.tolist() == trained.tolist()
