"""Loss per task."""

import math

import pytest
import torch

from engine.config import LossConfig
from engine.model.loss import positive_weights, task_losses

LOGITS = torch.tensor([[0.0, math.log(3)], [math.log(3), 0.0]])


def test_mean_cross_entropy_over_labelled_samples():
    losses = task_losses(LOGITS, torch.tensor([[1, 1], [0, -1]], dtype=torch.int8), torch.tensor([2.0, 1.0]))
    # Task 0: -log 1/2 and -log 1/4. Task 1: -log 3/4, and one sample without label.
    assert losses.tolist() == pytest.approx([math.log(8) / 2, math.log(4 / 3)])


def test_parts_of_a_batch_add_up_to_the_whole():
    torch.manual_seed(0)
    logits, labels = torch.randn(12, 3), torch.randint(-1, 2, (12, 3), dtype=torch.int8)
    counts = (labels >= 0).sum(0).float()
    whole = task_losses(logits, labels, counts)
    parts = [task_losses(logits[rows], labels[rows], counts) for rows in (slice(0, 5), slice(5, 6), slice(6, 12))]
    assert torch.allclose(torch.stack(parts).sum(0), whole)


def test_nan_without_a_label_does_not_spread():
    logits = torch.tensor([[math.nan, 1.0], [2.0, math.inf]], requires_grad=True)
    labels = torch.tensor([[-1, 1], [1, -1]], dtype=torch.int8)
    losses = task_losses(logits, labels, torch.tensor([1.0, 1.0]))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.tolist()[0][0] == 0.0


def test_a_task_without_labels_has_loss_0_and_no_gradient():
    logits = LOGITS.clone().requires_grad_()
    losses = task_losses(logits, torch.tensor([[1, -1], [0, -1]], dtype=torch.int8), torch.tensor([2.0, 0.0]))
    losses.sum().backward()
    assert losses[1] == 0
    assert logits.grad is not None
    assert logits.grad[:, 1].tolist() == [0, 0]


def test_half_precision_logits_give_a_float32_loss():
    losses = task_losses(LOGITS.bfloat16(), torch.ones(2, 2, dtype=torch.int8), torch.tensor([2.0, 2.0]))
    assert losses.dtype == torch.float32


def test_balanced_weights():
    positive, labelled = torch.tensor([25.0, 0.0, 100.0, 0.0]), torch.tensor([100.0, 100.0, 100.0, 0.0])
    assert positive_weights(positive, labelled, LossConfig()) is None
    weights = positive_weights(positive, labelled, LossConfig(pos_weight="balanced"))
    assert weights is not None
    assert weights.tolist() == [3.0, 1.0, 1.0, 1.0]
    loss = task_losses(torch.zeros(1, 4), torch.ones(1, 4, dtype=torch.int8), torch.ones(4), weights)
    assert loss.tolist() == pytest.approx([3 * math.log(2)] + [math.log(2)] * 3)
