"""The first step in which something was not finite."""

import math

import pytest
import torch
from torch import nn

from engine.loop.finite import FiniteWatch

CPU = torch.device("cpu")
INF, NAN = math.inf, math.nan
FINE = torch.tensor([0.5, 0.25, 1.0])


def heads() -> nn.ModuleList:
    """Three heads, of one and of two layers."""
    return nn.ModuleList([nn.Linear(2, 1), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), nn.Linear(2, 1)])


def watch(modules=None, *, gradients=True) -> FiniteWatch:
    return FiniteWatch(modules or heads(), CPU, gradients=gradients)


def found(*watches: FiniteWatch) -> tuple[int, list[int]] | None:
    return watches[0].found(torch.stack([each.first for each in watches]))


def test_nothing_to_tell():
    quiet = watch()
    for step in range(3):
        quiet.look(FINE, step)
    assert found(quiet) is None


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_the_first_step_is_kept_task_by_task(value):
    seen = watch()
    for step, losses in enumerate([FINE, torch.tensor([0.5, value, 1.0]), FINE, torch.tensor([value, value, 1.0])]):
        seen.look(losses, step)
    assert seen.first.tolist()[:2] == [3, 1]
    assert found(seen) == (1, [1])
    # It starts anew.
    seen.look(torch.tensor([0.5, 0.5, value]), 7)
    assert found(seen) == (7, [2])


def test_tasks_of_the_same_step_are_told_together():
    seen = watch()
    seen.look(torch.tensor([NAN, 0.1, INF]), 4)
    assert found(seen) == (4, [0, 2])


def test_the_earliest_over_all_ranks():
    one, other, third = watch(), watch(), watch()
    one.look(torch.tensor([NAN, 0.0, 0.0]), 5)
    other.look(torch.tensor([0.0, NAN, 0.0]), 3)
    third.look(torch.tensor([0.0, 0.0, NAN]), 3)
    assert found(one, other, third) == (3, [1, 2])


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(("task", "layer"), [(0, 0), (1, 0), (1, 3), (2, 1)])
def test_a_gradient_is_told_by_the_task_whose_head_it_is_in(value, task, layer):
    modules = heads()
    seen = watch(modules)
    for parameter in modules.parameters():
        parameter.grad = torch.ones_like(parameter)
    list(modules[task].parameters())[layer].grad.view(-1)[0] = value
    seen.look(FINE, 2)
    assert found(seen) == (2, [task])


def test_heads_without_gradients_have_none_to_look_at():
    modules = heads()
    seen = watch(modules)
    for parameter in modules[2].parameters():
        parameter.grad = torch.full_like(parameter, NAN)
    seen.look(FINE, 6)
    assert found(seen) == (6, [2])
    modules.zero_grad()
    seen.look(FINE, 7)
    assert found(seen) is None


def test_with_a_loss_scaler_gradients_may_overflow_and_losses_may_not():
    modules = heads()
    seen = watch(modules, gradients=False)
    for parameter in modules.parameters():
        parameter.grad = torch.full_like(parameter, INF)
    seen.look(FINE, 0)
    assert found(seen) is None
    seen.look(torch.tensor([INF, 0.0, 0.0]), 1)
    assert found(seen) == (1, [0])


def test_looking_reads_no_value_back():
    """A meta tensor has none: reading one, as `.item()` or `if tensor` does, fails."""
    modules = heads().to("meta")
    seen = FiniteWatch(modules, torch.device("meta"), gradients=True)
    for parameter in modules.parameters():
        parameter.grad = torch.empty_like(parameter)
    seen.look(torch.empty(3, device="meta"), 1)
    assert seen.first.shape == (3,)
