"""One optimiser step under a mask."""

import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from engine.loop.step import TrainStep
from engine.pipeline.batch import Batch

NUM_TASKS = 3


class Tiny(nn.Module):
    """A trunk and three heads, small enough to look at every number."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh())
        self.heads = nn.ModuleList(nn.Linear(5, 1) for _ in range(NUM_TASKS))

    def forward(self, images, active=None):
        features = self.trunk(images)
        inputs = [features if active is None or active[task] else features.detach() for task in range(NUM_TASKS)]
        return torch.cat([head(value) for head, value in zip(self.heads, inputs, strict=True)], dim=1)


def batch(seed=0, size=8) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        images=torch.randn(size, 3, 2, 2, generator=generator),
        labels=torch.randint(0, 2, (size, NUM_TASKS), generator=generator, dtype=torch.int8),
        ids=torch.arange(size),
        num_valid=size,
        num_skipped=0,
        num_labelled=torch.full((NUM_TASKS,), float(size)),
    )


def build(optimizer=torch.optim.Adam, micro_batch_size=None, **options):
    torch.manual_seed(0)
    accelerator, module = Accelerator(cpu=True), Tiny()
    raw = optimizer(module.parameters(), **({"lr": 0.1} | options))
    model, prepared = accelerator.prepare(module, raw)
    return module, TrainStep(accelerator, model, module.heads, prepared, pos_weight=None, micro_batch_size=micro_batch_size)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


ALL = np.ones(NUM_TASKS, np.bool_)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_a_dropped_head_stands_still_bit_for_bit_under_momentum_and_weight_decay(optimizer):
    module, step = build(optimizer, weight_decay=0.1)
    for seed in range(3):
        step(batch(seed), ALL)
    before = weights(module)
    step(batch(3), np.array([True, False, True]))
    after = weights(module)
    assert torch.equal(before["heads.1.weight"], after["heads.1.weight"])
    assert torch.equal(before["heads.1.bias"], after["heads.1.bias"])
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved == [name for name in before if not name.startswith("heads.1")]


def test_step_loss_is_the_active_tasks_sum_over_all_tasks():
    module, step = build()
    data = batch()
    with torch.no_grad():
        expected = nn.functional.binary_cross_entropy_with_logits(module(data.images), data.labels.float(), reduction="none").mean(0)
    losses, step_loss = step(data, np.array([True, False, False]))
    assert torch.allclose(losses, expected)
    assert step_loss.item() == pytest.approx(expected[0].item() / 3)


def test_gradients_are_those_of_the_step_loss():
    module, step = build(torch.optim.SGD, lr=1.0)
    reference, data = Tiny(), batch()
    reference.load_state_dict(module.state_dict())
    losses = nn.functional.binary_cross_entropy_with_logits(reference(data.images), data.labels.float(), reduction="none").mean(0)
    ((losses[0] + losses[2]) / 3).backward()
    before = weights(module)
    step(data, np.array([True, False, True]))
    for name, parameter in reference.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert torch.allclose(before[name] - module.state_dict()[name], gradient, atol=1e-7), name


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_head_may_be_dropped_before_its_first_update(name):
    from engine.config import ModelConfig, OptimizerConfig
    from engine.loop.optimizer import build_optimizer
    from engine.model.multitask import MultitaskModel

    torch.manual_seed(0)
    module = MultitaskModel(ModelConfig(trunk="vgg11", weights="none", tap="conv1_1", train_from="all"), ("a", "b", "c"))
    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(module, build_optimizer(OptimizerConfig(name=name), module))
    step = TrainStep(accelerator, model, module.heads, optimizer, pos_weight=None, micro_batch_size=None)
    for mask in ([True, False, True], [True, True, False], [True, True, True]):
        step(batch(), np.array(mask))
    assert all(parameter.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize("micro_batch_size", [1, 3, 8, 100])
def test_micro_batches_change_nothing(micro_batch_size):
    whole, step_whole = build()
    parts, step_parts = build(micro_batch_size=micro_batch_size)
    for seed in range(3):
        expected, got = step_whole(batch(seed), ALL), step_parts(batch(seed), ALL)
        assert torch.allclose(expected[0], got[0], rtol=1e-5)
        assert torch.allclose(expected[1], got[1], rtol=1e-5)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, parts.state_dict()[name], rtol=1e-4, atol=1e-6), name


def test_a_dropped_tasks_nan_reaches_nobody():
    module, step = build()
    with torch.no_grad():
        module.heads[1].bias.fill_(math.nan)
    losses, step_loss = step(batch(), np.array([True, False, True]))
    assert losses.isnan().tolist() == [False, True, False]
    assert step_loss.isfinite()
    for name, value in module.state_dict().items():
        assert name == "heads.1.bias" or value.isfinite().all(), name
