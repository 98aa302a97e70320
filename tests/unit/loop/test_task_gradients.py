"""The inner products of the tasks' gradients, against gradients by hand."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from engine.loop.task_gradients import TaskGradients
from shards.errors import ConfigurationError
from tests.unit.loop.balance.small import batch


class Straight(nn.Module):
    """Logits that are a matrix times the features, after batch statistics that must not be moved."""

    def __init__(self, num_features: int, num_tasks: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(num_features, affine=False)
        self.shared = nn.Linear(num_features, 3, bias=False)
        self.heads = nn.Linear(3, num_tasks, bias=False)

    def forward(self, inputs, active=None):
        assert active is None
        return self.heads(self.shared(self.norm(inputs.flatten(1))))


@pytest.mark.parametrize("weighted", [False, True])
def test_products_of_gradients_by_hand(weighted):
    torch.manual_seed(0)
    given = batch(0)
    features, num_tasks = given.inputs.flatten(1), given.labels.shape[1]
    model = Straight(features.shape[1], num_tasks).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pos_weight = torch.arange(1.0, num_tasks + 1) if weighted else None
    found = TaskGradients(Accelerator(), model, shared=[model.shared.weight], pos_weight=pos_weight).products(given)
    normal = (features - features.mean(0)) / (features.var(0, unbiased=False) + model.norm.eps).sqrt()
    logits = normal @ model.shared.weight.T @ model.heads.weight.T
    labels = given.labels.float()
    # d loss / d logit = (sigmoid - label) / number of labelled samples, 0 without a label; a positive's counts as often as it weighs.
    factor = 1 if pos_weight is None else torch.where(labels == 1, pos_weight, 1)
    residual = torch.where(labels >= 0, factor * (logits.sigmoid() - labels), 0) / (labels >= 0).sum(0).clamp(min=1)
    gradients = torch.stack([torch.outer(model.heads.weight[task], residual[:, task] @ normal).flatten() for task in range(num_tasks)])
    assert np.allclose(found, (gradients @ gradients.T).detach().numpy(), rtol=1e-4, atol=1e-9)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_parts_add_up():
    given = batch(1)
    model = Straight(given.inputs.flatten(1).shape[1], given.labels.shape[1]).eval()
    whole, parts = (
        TaskGradients(Accelerator(), model, shared=[model.shared.weight], micro_batch_size=size).products(given) for size in (None, 3)
    )
    assert np.allclose(whole, parts, rtol=1e-5)


def test_tasks_that_share_nothing_are_told():
    with pytest.raises(ConfigurationError, match="asks for gradients of layers that tasks share, and they share none"):
        TaskGradients(Accelerator(), nn.Identity(), shared=[]).products(batch(0))
