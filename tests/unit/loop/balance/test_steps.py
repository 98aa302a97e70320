"""The loop's step under every balancer."""

import copy
import math

import numpy as np
import pytest
import torch

from tests.unit.loop.balance.small import ALL, DROPPING, GRADIENTS, LOSSES, TASKS, batch, build

EVERY = (*LOSSES, *GRADIENTS)
MASK = np.array([True, False, True])


def weights(built) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in built.module.state_dict().items()}


@pytest.mark.parametrize("name", DROPPING)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_dropped_head_stands_still_and_its_loss_is_known(name, optimizer):
    built = build(name, optimizer=optimizer, weight_decay=0.1)
    for number in range(2):
        built.step(batch(number), ALL)
    before = weights(built)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        built.module(batch(2).images), batch(2).labels.float(), reduction="none"
    ).mean(0)
    outcome = built.step(batch(2), MASK)
    assert torch.allclose(outcome.losses, expected)
    assert outcome.step_loss.item() == pytest.approx((expected[0] + expected[2]).item() / 3)
    moved = {key for key, value in weights(built).items() if not torch.equal(value, before[key])}
    assert moved == {key for key in before if ".heads.1." not in key and ".conv1_1." not in key}


@pytest.mark.parametrize("name", DROPPING)
def test_a_dropped_tasks_nan_reaches_nobody(name):
    built = build(name)
    with torch.no_grad():
        built.module.readout.heads[1][-1].bias.fill_(math.nan)
    for number in range(2):
        outcome = built.step(batch(number), MASK)
    assert outcome.losses.isnan().tolist() == [False, True, False]
    for key, value in weights(built).items():
        assert key == "readout.heads.1.0.bias" or value.isfinite().all(), key


@pytest.mark.parametrize("name", EVERY)
def test_a_trained_tasks_nan_is_named_and_keeps_out_of_what_is_shared(name):
    built = build(name)
    built.step(batch(0), ALL, step=0)
    with torch.no_grad():
        built.module.readout.heads[1][-1].bias.fill_(math.nan)
    for number in range(1, 3):
        built.step(batch(number), ALL, step=number)
    assert built.step.watch.found(built.step.watch.first[None]) == (1, [1])
    for key, value in weights(built).items():
        assert ".heads.1." in key or value.isfinite().all(), key


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "torchjd.famo"])
def test_micro_batches_change_nothing(name):
    # Adam would make much of a gradient that is nothing but rounding.
    whole, parts = build(name, optimizer="sgd"), build(name, optimizer="sgd", micro_batch_size=3)
    for number in range(4):
        mask = MASK if number == 1 else ALL
        expected, got = (built.step(batch(number, missing=0.3), mask) for built in (whole, parts))
        assert torch.allclose(expected.losses, got.losses, rtol=1e-5)
        for built in (whole, parts):
            built.balancer.observe([1.0, 0.5**number, 0.9])
    for key, value in weights(whole).items():
        assert torch.allclose(value, weights(parts)[key], rtol=1e-4, atol=1e-6), key
    for key, value in whole.balancer.tensors().items():
        assert torch.allclose(value, parts.balancer.tensors()[key], rtol=1e-4, atol=1e-6), key


@pytest.mark.parametrize("name", EVERY)
def test_going_on_from_what_was_saved_is_the_same_bit_for_bit(name):
    def train(built, numbers):
        for number in numbers:
            built.step(batch(number), MASK if name in DROPPING and number % 3 == 0 else ALL, epoch=number // 4, step=number % 4)
            if number % 4 == 3:
                built.balancer.observe([1.0, 0.5**number, 0.9])

    whole, other = build(name), build(name)
    train(whole, range(10))
    saved = copy.deepcopy((whole.module.state_dict(), whole.raw.state_dict(), whole.balancer.tensors()))
    train(whole, range(10, 15))
    # Not a fresh one: what it remembers must be gone.
    train(other, range(20, 23))
    other.module.load_state_dict(saved[0])
    other.raw.load_state_dict(saved[1])
    other.balancer.load_tensors(saved[2])
    train(other, range(10, 15))
    assert all(torch.equal(value, weights(other)[key]) for key, value in weights(whole).items())
    assert all(torch.equal(value, other.balancer.tensors()[key]) for key, value in whole.balancer.tensors().items())


@pytest.mark.parametrize("name", DROPPING)
def test_a_batch_without_any_label_moves_nothing(name):
    built = build(name)
    before = weights(built)
    outcome = built.step(batch(0, missing=1.0), ALL)
    assert not outcome.trained.any()
    assert all(torch.equal(value, before[key]) for key, value in weights(built).items())
    assert len(outcome.losses) == len(TASKS)
