"""One optimiser step under a mask."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from engine.loop.step import TrainStep
from engine.pipeline.batch import Batch

NUM_TASKS = 3
ALL = np.ones(NUM_TASKS, np.bool_)


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
        has_labels=ALL,
    )


def build(optimizer=torch.optim.Adam, micro_batch_size=None, **options):
    torch.manual_seed(0)
    accelerator, module = Accelerator(cpu=True), Tiny()
    raw = optimizer(module.parameters(), **({"lr": 0.1} | options))
    model, prepared = accelerator.prepare(module, raw)
    return module, TrainStep(accelerator, model, module.heads, prepared, micro_batch_size=micro_batch_size)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


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
    outcome = step(data, np.array([True, False, False]))
    assert torch.allclose(outcome.losses, expected)
    assert outcome.step_loss.item() == pytest.approx(expected[0].item() / 3)


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
    from engine.model.multitask import build_model, build_trunk

    config, tasks = ModelConfig(trunk="vgg11", weights="none", tap="conv1_1", train_from="all"), ("a", "b", "c")
    module = build_model(config, build_trunk(config, tasks, 0), tasks, 0)
    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(module, build_optimizer(OptimizerConfig(name=name), module))
    step = TrainStep(accelerator, model, module.readout.heads, optimizer)
    for mask in ([True, False, True], [True, True, False], [True, True, True]):
        step(batch(), np.array(mask))
    assert all(parameter.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize("micro_batch_size", [1, 3, 8, 100])
def test_micro_batches_change_nothing(micro_batch_size):
    whole, step_whole = build()
    parts, step_parts = build(micro_batch_size=micro_batch_size)
    for seed in range(3):
        expected, got = step_whole(batch(seed), ALL), step_parts(batch(seed), ALL)
        assert torch.allclose(expected.losses, got.losses, rtol=1e-5)
        assert torch.allclose(expected.step_loss, got.step_loss, rtol=1e-5)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, parts.state_dict()[name], rtol=1e-4, atol=1e-6), name


def test_a_dropped_tasks_nan_reaches_nobody():
    module, step = build()
    with torch.no_grad():
        module.heads[1].bias.fill_(math.nan)
    outcome = step(batch(), np.array([True, False, True]))
    assert outcome.losses.isnan().tolist() == [False, True, False]
    assert outcome.step_loss.isfinite()
    for name, value in module.state_dict().items():
        assert name == "heads.1.bias" or value.isfinite().all(), name


def batch_without(task: int) -> Batch:
    """A batch in which nobody has a label for a task."""
    full = batch(9)
    labels, num_labelled = full.labels.clone(), full.num_labelled.clone()
    labels[:, task], num_labelled[task] = -1, 0
    return dataclasses.replace(full, labels=labels, num_labelled=num_labelled, has_labels=num_labelled.numpy() > 0)


@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_a_head_without_any_label_in_the_batch_stands_still(optimizer, micro_batch_size):
    module, step = build(optimizer, micro_batch_size, weight_decay=0.1, **({"momentum": 0.9} if optimizer is torch.optim.SGD else {}))
    for seed in range(2):
        step(batch(seed), ALL)
    before = weights(module)
    outcome = step(batch_without(1), ALL)
    assert outcome.trained.tolist() == [True, False, True]
    assert outcome.losses[1] == 0
    assert outcome.losses.isfinite().all()
    moved = [name for name, value in module.state_dict().items() if not torch.equal(before[name], value)]
    assert moved == [name for name in before if not name.startswith("heads.1")]


def test_a_step_with_nothing_to_learn_from_changes_nothing_and_still_tells_the_losses():
    module, step = build(weight_decay=0.1)
    step(batch(), ALL)
    before = weights(module)
    mask = np.array([False, True, False])
    outcome = step(batch_without(1), mask)
    assert outcome.trained.tolist() == [False] * 3
    assert outcome.step_loss == 0
    with torch.no_grad():
        labels = batch_without(1).labels.float()
        expected = nn.functional.binary_cross_entropy_with_logits(module(batch_without(1).images), labels.clamp(min=0), reduction="none")
    assert torch.allclose(outcome.losses[[0, 2]], expected.mean(0)[[0, 2]])
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_weights_count_in_the_step_loss_and_not_in_the_tasks():
    module, step = build(torch.optim.SGD, lr=1.0)
    data, factors = batch(), torch.tensor([0.5, 3.0, 2.0])
    reference = Tiny()
    reference.load_state_dict(module.state_dict())
    losses = nn.functional.binary_cross_entropy_with_logits(reference(data.images), data.labels.float(), reduction="none").mean(0)
    ((0.5 * losses[0] + 2 * losses[2]) / 3).backward()
    before = weights(module)
    outcome = step(data, np.array([True, False, True]), factors)
    assert torch.allclose(outcome.losses, losses)
    assert outcome.step_loss.item() == pytest.approx((0.5 * losses[0] + 2 * losses[2]).item() / 3)
    for name, parameter in reference.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert torch.allclose(before[name] - module.state_dict()[name], gradient, atol=1e-7), name


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_the_watch_has_seen_the_step_and_the_task(what):
    module, step = build(torch.optim.SGD, lr=0.0)
    if what == "gradient":
        module.heads[2].bias.register_hook(lambda gradient: gradient * math.inf)
    else:
        with torch.no_grad():
            module.heads[2].bias.fill_(math.nan)
    step(batch(), np.array([True, True, False]), step=4)
    # A dropped task has no gradient, but a loss.
    assert step.watch.found(step.watch.first[None]) == (None if what == "gradient" else (4, [2]))
    step(batch(), ALL, step=5)
    assert step.watch.found(step.watch.first[None]) == (5, [2])


def test_what_no_trained_task_uses_stands_still():
    from engine.config import ModelConfig
    from engine.model.multitask import build_model, build_trunk

    tasks = ("a", "b", "c")
    # Task a alone uses the common hidden layer; b has hidden layers of its own, c reads a stage that the others do not need.
    config = ModelConfig(
        trunk="vgg11", weights="none", tap="conv1_1", train_from="all", hidden=(4,), task_hidden={"b": "4"}, task_taps={"c": "conv2_1"}
    )
    module = build_model(config, build_trunk(config, tasks, 0), tasks, 0)
    accelerator = Accelerator(cpu=True)
    model, optimizer = accelerator.prepare(module, torch.optim.Adam(module.parameters(), lr=0.1, weight_decay=0.1))
    step = TrainStep(accelerator, model, module.readout.heads, optimizer, shared=module.shared_parameters())
    step(batch(), ALL)
    for mask, standing in (
        ([False, True, True], ("readout.shared", "readout.heads.0")),
        ([True, True, False], ("trunk.stages.conv2_1", "readout.heads.2")),
    ):
        before = weights(module)
        step(batch(1), np.array(mask))
        after = weights(module)
        stood = {name for name in before if torch.equal(before[name], after[name])}
        assert stood == {name for name in before if name.startswith(standing)}
