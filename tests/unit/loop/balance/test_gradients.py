"""Gradients on two shared parameters, worked out by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torchjd.aggregation import CAGradWeighting, GramianWeightedAggregator, PCGradWeighting, UPGradWeighting

from engine.loop.balance.gradients import GradientBalancer
from engine.loop.balance.weighting import TermWeighting
from tests.unit.loop.balance.small import facts

PCGRAD = (PCGradWeighting, False)
UPGRAD = (UPGradWeighting, True)
CAGRAD = (lambda: CAGradWeighting(c=0.4), True)


def found(method, gradients, *, trained=None, slopes=(3.0, 5.0, 7.0), **when) -> SimpleNamespace:
    """Gradients after a step in which task t's loss is g(t)·shared + slope(t)·own(t)."""
    weighting, of_mean = method
    rows = torch.tensor(gradients)
    shared = [nn.Parameter(torch.tensor([value])) for value in (0.4, -0.2)]
    own = [nn.Parameter(torch.tensor(1.0)) for _ in rows]
    aggregator = GramianWeightedAggregator(TermWeighting(weighting(), of_mean=of_mean))
    balancer = GradientBalancer(Accelerator(cpu=True), aggregator, shared=shared, own=own, seed=0)
    losses = rows @ torch.cat(shared) + torch.stack([slope * parameter for slope, parameter in zip(slopes, own, strict=False)])
    balancer.backward(losses, facts(trained or (True,) * len(rows), **when))
    return SimpleNamespace(shared=[parameter.grad.item() for parameter in shared], own=[parameter.grad.item() for parameter in own])


@pytest.mark.parametrize("method", [PCGRAD, UPGRAD])
def test_without_conflict_the_gradient_is_that_of_the_mean(method):
    assert found(method, [(2.0, 0.0), (1.0, 1.0)]).shared == pytest.approx([1.5, 0.5], rel=1e-4)


def test_pcgrad_projects_each_onto_the_others_normal():
    # (2, 0) becomes (2, 0) + (-1, 1) = (1, 1), and (-1, 1) becomes (-1, 1) + ½ (2, 0) = (0, 1); their sum by 2.
    assert found(PCGRAD, [(2.0, 0.0), (-1.0, 1.0)]).shared == pytest.approx([0.5, 1])


def test_upgrad_projects_each_onto_the_dual_cone():
    # With two tasks the nearest gradient that harms none is PCGrad's; the library's regularisation shows in the third digit.
    assert found(UPGRAD, [(2.0, 0.0), (-1.0, 1.0)]).shared == pytest.approx([0.5, 1], rel=2e-3)


def test_cagrad_goes_further_towards_the_worst_task():
    # Mean (1, 0); by symmetry both tasks weigh ½, so that the way further is along (1, 0), too: 0.4 of the mean's length.
    assert found(CAGRAD, [(1.0, 1.0), (1.0, -1.0)]).shared == pytest.approx([1.4, 0], abs=1e-5)


@pytest.mark.parametrize("method", [PCGRAD, UPGRAD])
def test_a_dropped_task_has_no_row(method):
    result = found(method, [(2.0, 0.0), (-1.0, 1.0)], trained=(True, False))
    assert result.shared == pytest.approx([1, 0])
    assert result.own == [1.5, 0]


@pytest.mark.parametrize("method", [PCGRAD, UPGRAD, CAGRAD])
def test_what_a_task_has_for_itself_keeps_its_gradient(method):
    assert found(method, [(2.0, 0.0), (-1.0, 1.0), (0.0, -1.0)]).own == pytest.approx([1, 5 / 3, 7 / 3])


@pytest.mark.parametrize("method", [PCGRAD, UPGRAD, CAGRAD])
def test_a_gradient_that_is_not_finite_gets_through_to_the_watch(method):
    assert math.isnan(found(method, [(2.0, 0.0), (math.nan, 1.0)]).shared[0])


def test_the_order_of_projections_is_drawn_anew_in_each_step_and_from_nothing_else():
    conflicting = [(1.0, 0.1), (-0.8, 0.9), (-0.3, -1.0)]
    torch.manual_seed(1)
    state = torch.get_rng_state()
    once = [found(PCGRAD, conflicting, epoch=epoch, step=step).shared for epoch in range(2) for step in range(8)]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again = [found(PCGRAD, conflicting, epoch=epoch, step=step).shared for epoch in range(2) for step in range(8)]
    assert once == again
    assert len(set(map(tuple, once[:8]))) > 1
    assert once[:8] != once[8:]
