"""From what the taps see to logits: heads, layers of their own, masks."""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine.config import ModelConfig
from engine.model.multitask import build_model, build_trunk
from engine.model.readout import TaskReadout, _StopNonFinite
from tests.launch import light_vgg11
from tests.unit.dst.built import facts, scheduler

TASKS = ("a", "b", "c", "d")
WIDTHS = {"pool1": 3, "fc6": 5}
MIXED = {"tap": "fc6", "hidden": (6,), "task_taps": {"b": "pool1"}, "task_hidden": {"d": "4x2"}}
LAYOUTS = {
    "shared": {"tap": "fc6", "hidden": (6,)},
    "no-hidden-layer": {"tap": "fc6", "hidden": ()},
    "mixed": MIXED,
    "all-alone": {"tap": "fc6", "hidden": (6,), "task_hidden": {"a": "2", "b": "none", "c": "3x3", "d": "6"}},
    "first-is-alone": {"tap": "fc6", "hidden": (4,), "task_hidden": {"a": "none"}},
}


def readout(options, seed=0) -> TaskReadout:
    return TaskReadout(ModelConfig(**options), TASKS, WIDTHS.__getitem__, seed=seed).double()


def trained(module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def seen(seed=0, size=7) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {tap: torch.randn(size, width, generator=generator, dtype=torch.float64).requires_grad_() for tap, width in WIDTHS.items()}


def plain(module: TaskReadout, taps: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Each task's logits, one head after the other."""
    shared = None if module.shared is None else module.shared(taps[module.tap])
    alone = set(module._alone)
    return [head(taps[module.taps[place]] if place in alone else shared)[:, 0] for place, head in enumerate(module.heads)]


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_logits_are_those_of_the_heads_one_by_one(options):
    module, taps = readout(options), seen()
    expected = torch.stack(plain(module, taps), dim=1)
    assert torch.allclose(module(taps), expected, rtol=1e-12)
    for mask in ([True] * 4, [False, True, False, True], [False] * 4):
        assert torch.allclose(module(taps, torch.tensor(mask)), expected, rtol=1e-12)


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_a_task_begins_with_the_same_weights_whatever_others_there_are(options):
    joint = readout(options, 3)
    for place, task in enumerate(TASKS):
        own = {key: {name: value for name, value in options.get(key, {}).items() if name == task} for key in ("task_taps", "task_hidden")}
        alone = TaskReadout(ModelConfig(**(options | own)), (task,), WIDTHS.__getitem__, seed=3).double()
        pairs = [(joint.heads[place], alone.heads[0])] + ([(joint.shared, alone.shared)] if place in joint.sharing else [])
        for one, other in pairs:
            assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))
    # And not with another's, nor with another seed's.
    weights = [next(head.parameters()) for module in (joint, readout(options, 4)) for head in module.heads]
    assert len({weight.sum().item() for weight in weights}) == len(weights)


@given(st.sampled_from(sorted(LAYOUTS)), st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 5))
def test_a_masked_steps_gradients_are_those_of_the_active_losses(layout, mask, seed):
    module, taps = readout(LAYOUTS[layout], seed), seen(seed)
    targets = torch.rand(7, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    inputs = [*trained(module), *taps.values()]

    def loss(logits):
        return ((logits - targets) ** 2).sum(0)

    active = [each for each, on in zip(plain(module, taps), mask, strict=True) if on]
    wanted = [targets[:, place] for place, on in enumerate(mask) if on]
    total = sum((((logit - target) ** 2).sum() for logit, target in zip(active, wanted, strict=True)), torch.zeros(()))
    expected = torch.autograd.grad(total, inputs, allow_unused=True) if active else [None] * len(inputs)
    masked = torch.where(torch.tensor(mask), loss(module(taps, torch.tensor(mask))), 0).sum()
    found = torch.autograd.grad(masked, inputs, allow_unused=True)
    for value, one, other in zip(inputs, found, expected, strict=True):
        zero = torch.zeros_like(value)
        assert torch.allclose(zero if one is None else one, zero if other is None else other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_without_a_mask_is_with_all_on(options):
    module, taps = readout(options), seen()
    inputs = [*trained(module), *taps.values()]
    without, with_all = (
        torch.autograd.grad((module(taps, mask) ** 2).sum(), inputs, allow_unused=True) for mask in (None, torch.ones(4, dtype=torch.bool))
    )
    for one, other in zip(without, with_all, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other)


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_every_parameter_has_a_gradient_whatever_is_masked(options):
    """What data-parallel training counts on, which is told nothing of masks."""
    module, taps = readout(options), seen()
    mask = torch.tensor([False, True, False, False])
    torch.where(mask, module(taps, mask).sum(0), 0).sum().backward()
    assert all(parameter.grad is not None for parameter in trained(module))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("options", [LAYOUTS["mixed"], LAYOUTS["shared"], LAYOUTS["no-hidden-layer"]], ids=["mixed", "shared", "no-hidden"])
def test_a_failed_head_that_is_trained_takes_nothing_shared_along(options, place, value):
    module, taps = readout(options), seen()
    with torch.no_grad():
        next(iter(module.heads[place].parameters()))[0, 0] = value
    logits = module(taps)
    assert logits[:, [other for other in range(4) if other != place]].isfinite().all()
    (logits**2).sum().backward()
    shared = [] if module.shared is None else [*module.shared.parameters()]
    others = [parameter for other, head in enumerate(module.heads) if other != place for parameter in head.parameters()]
    for gradient in [*(parameter.grad for parameter in (*shared, *others)), *(tap.grad for tap in taps.values())]:
        assert gradient is None or gradient.isfinite().all()
    # The failure itself is there to be seen.
    assert not all(parameter.grad.isfinite().all() for parameter in module.heads[place].parameters())


def test_only_the_failed_numbers_are_replaced():
    value = torch.zeros(4, requires_grad=True)
    _StopNonFinite.apply(value).backward(torch.tensor([1.5, float("nan"), float("inf"), -2.0]))
    assert value.grad.tolist() == [1.5, 0, 0, -2.0]


def test_the_loss_scaler_sees_an_overflow():
    """In float16 it has to: it leaves out the whole step, and lowers its scale."""
    value = torch.zeros(2, dtype=torch.float16, requires_grad=True)
    _StopNonFinite.apply(value).backward(torch.tensor([1.0, float("inf")], dtype=torch.float16))
    assert value.grad.tolist() == [1.0, float("inf")]


def test_what_shares_and_what_does_not():
    module = readout(MIXED)
    assert [type(layer) for layer in module.shared] == [nn.Linear, nn.ReLU]
    shapes = [[tuple(parameter.shape) for parameter in head.parameters() if parameter.ndim == 2] for head in module.heads]
    # a and c read the shared layer; b reads pool1 through a hidden layer of its own; d reads fc6 through two.
    assert shapes == [[(1, 6)], [(6, 3), (1, 6)], [(1, 6)], [(4, 5), (2, 4), (1, 2)]]
    assert [module.num_layers(place) for place in range(4)] == [2, 2, 2, 3]


def test_depths_and_what_dst_makes_of_them(monkeypatch):
    monkeypatch.setattr(torchvision.models, "vgg11", light_vgg11)
    config = ModelConfig(
        trunk="vgg11", weights="none", tap="conv4_2", hidden=(8,), task_taps={"b": "pool2"}, task_hidden={"c": "none", "d": "4x4x4"}
    )
    model = build_model(config, build_trunk(config, TASKS, 0), TASKS, 0)
    # conv4_2 is vgg11's sixth convolution (1, 1, 2, 2, 2 in its five blocks), pool2 comes after the second.
    assert model.depths() == (6 + 2, 2 + 2, 6 + 1, 6 + 4)
    counts = [100, 50, 25, 100]
    weights = {"depth": 0.6, "count": 0.4, "incompleteness": 0.0, "stagnancy": 0.0, "regulariser": 0.0}
    built = scheduler(facts(TASKS, model.depths(), counts), **weights)
    # Pd = d / 10, Pc = c / 100.
    expected = [0.6 * 0.8 + 0.4, 0.6 * 0.4 + 0.2, 0.6 * 0.7 + 0.1, 0.6 + 0.4]
    assert np.allclose(built.probabilities(0), expected)


def test_a_model_of_mixed_taps_learns(monkeypatch):
    monkeypatch.setattr(torchvision.models, "vgg11", light_vgg11)
    options = {"tap": "pool2", "tap_grid": 2, "train_from": "conv2_1", "task_taps": {"b": "pool1"}, "task_hidden": {"d": "6"}}
    config = ModelConfig(trunk="vgg11", weights="none", **options)
    model = build_model(config, build_trunk(config, TASKS, 0), TASKS, 0).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-2)
    generator = torch.Generator().manual_seed(1)
    targets = torch.tensor([[number >> bit & 1 for bit in (0, 1, 2, 0)] for number in range(8)]).float()
    # A colour for each of the first three tasks; the fourth asks what the first asks.
    images = 0.1 * torch.randn(8, 3, 32, 32, generator=generator) + 2 * targets[:, :3, None, None] - 1
    losses = []
    for _ in range(8):
        each = nn.functional.binary_cross_entropy_with_logits(model(images), targets, reduction="none").mean(0)
        optimizer.zero_grad()
        each.sum().backward()
        optimizer.step()
        losses.append(each.detach())
    assert (losses[-1] < 0.8 * losses[0]).all(), (losses[0], losses[-1])
