"""The DST scheduler as a whole."""

import json

import numpy as np
import pytest

from engine.config import SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.dst import DroppedScheduledTask
from shards.errors import DivergenceError

TASKS = ("a", "b", "c", "d")
HISTORY = [(0.8, 0.8, 0.8, 0.8), (0.8, 0.4, 0.8, 0.4), (0.8, 0.2, 0.7, 0.4)]


def scheduler(seed=0, depths=(18, 9, 18, 18), counts=(100, 100, 50, 100), **options) -> DroppedScheduledTask:
    return DroppedScheduledTask(SchedulerConfig(**options), TASKS, depths, counts, seed)


def observed(num_epochs: int, **options) -> DroppedScheduledTask:
    built = scheduler(**options)
    for epoch, losses in enumerate(HISTORY[:num_epochs]):
        built.observe(epoch, losses)
    return built


def test_probabilities_by_hand():
    built = observed(3)
    constant = np.array([0.2 + 0.2, 0.1 + 0.2, 0.2 + 0.1, 0.2 + 0.2]) + 0.2
    # Epochs 0 and 1: no history, then V(1)/V(1) = 1 for all and one epoch only.
    assert built.probabilities(0) == pytest.approx(constant + 0.4)
    assert built.probabilities(1) == pytest.approx(constant + 0.4)
    # Epoch 2: I = 1, 1/2, 1, 1/2, mean 3/4, so Pu = 1, 2/3, 1, 2/3. Changes 0, -1/2, 0, -1/2 over Pu: R' = 0, 3/4, 0, 3/4,
    # mean 3/8, so Pr = 1, 1/2, 1, 1/2.
    assert built.probabilities(2) == pytest.approx(constant + 0.2 * np.array([1, 2 / 3, 1, 2 / 3]) + 0.2 * np.array([1, 0.5, 1, 0.5]))
    # Epoch 3: I = 1, 1/4, 7/8, 1/2, mean 21/32, so Pu = 1, 8/21, 1, 16/21. Changes 0, -1/2, -1/8, 0: R' = 0, 21/16, 1/8, 0,
    # mean 23/64, so Pr = 1, (23/64)/(21/16) = 23/84, 1, 1.
    assert built.probabilities(3) == pytest.approx(constant + 0.2 * np.array([1, 8 / 21, 1, 16 / 21]) + 0.2 * np.array([1, 23 / 84, 1, 1]))


@pytest.mark.parametrize("metric", ["depth", "count", "incompleteness", "stagnancy", "regulariser"])
def test_each_metric_alone(metric):
    weights = dict.fromkeys(("depth", "count", "incompleteness", "stagnancy", "regulariser"), 0.0) | {metric: 1.0}
    expected = {
        "depth": [1, 0.5, 1, 1],
        "count": [1, 1, 0.5, 1],
        "incompleteness": [1, 2 / 3, 1, 2 / 3],
        "stagnancy": [1, 0.5, 1, 0.5],
        "regulariser": [1, 1, 1, 1],
    }
    assert observed(2, **weights).probabilities(2) == pytest.approx(expected[metric])


def test_masks_repeat_and_follow_the_probabilities():
    built, again, other = observed(3), observed(3), observed(3, seed=1)
    masks = np.array([built.mask(3, step) for step in range(4000)])
    assert np.array_equal(masks, [again.mask(3, step) for step in range(4000)])
    assert not np.array_equal(masks, [other.mask(3, step) for step in range(4000)])
    probabilities = built.probabilities(3)
    error = 4 * np.sqrt(probabilities * (1 - probabilities) / 4000)
    # Steps in which all draws were 0 keep one task, which adds less than the product of the complements.
    assert (np.abs(masks.mean(0) - probabilities) <= error + np.prod(1 - probabilities)).all()
    assert masks.any(1).all()


def test_granularity_epoch_draws_once():
    built = observed(3, granularity="epoch")
    assert len({tuple(built.mask(3, step)) for step in range(50)}) == 1
    assert len({tuple(observed(3, granularity="epoch", seed=seed).mask(3, 0)) for seed in range(50)}) > 1


def test_count_alone_follows_the_counts():
    few = DroppedScheduledTask(
        SchedulerConfig(depth=0, count=1.0, incompleteness=0, stagnancy=0, regulariser=0), ("a", "b"), (1, 1), (1, 3), 0
    )
    assert few.probabilities(0).tolist() == pytest.approx([1 / 3, 1])


def test_the_kept_task_is_drawn_in_proportion_to_p():
    from engine.dst.draw import draw_mask

    probabilities = np.array([0.01, 0.03])
    masks = np.array([draw_mask(probabilities, 0, 0, step) for step in range(4000)])
    assert (masks.sum(1) >= 1).all()
    # Nearly every step falls back: 1 to 3.
    assert masks[:, 1].mean() == pytest.approx(0.75, abs=0.03)


def test_state_goes_through_json_and_the_future_is_the_same():
    built, restored = observed(2), scheduler()
    restored.load_state_dict(json.loads(json.dumps(built.state_dict())))
    for copy in (built, restored):
        copy.observe(2, HISTORY[2])
    assert np.array_equal(built.probabilities(3), restored.probabilities(3))
    assert all(np.array_equal(built.mask(3, step), restored.mask(3, step)) for step in range(100))
    with pytest.raises(ValueError, match="is of tasks"):
        DroppedScheduledTask(SchedulerConfig(), ("x",), (1,), (1,), 0).load_state_dict(built.state_dict())


def test_epochs_must_be_observed_in_turn():
    built = observed(1)
    with pytest.raises(ValueError, match="epoch 2 was observed after 1 epochs"):
        built.observe(2, HISTORY[2])
    with pytest.raises(ValueError, match="probabilities of epoch 2 need 2 observed epochs, there are 1"):
        built.probabilities(2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["dst", "mtl"])
def test_a_loss_that_is_no_number_names_its_task(name, value):
    built = build_scheduler(SchedulerConfig(name=name), TASKS, (1,) * 4, (1,) * 4, seed=0)
    with pytest.raises(DivergenceError, match=f"task 'c' in epoch 0 is {value}"):
        built.observe(0, (0.1, 0.1, value, 0.1))


def test_mtl_trains_everything_always():
    built = build_scheduler(SchedulerConfig(name="mtl"), TASKS, (1,) * 4, (1,) * 4, seed=0)
    for epoch, losses in enumerate(HISTORY):
        assert built.probabilities(epoch).tolist() == [1.0] * 4
        assert built.mask(epoch, 5).all()
        built.observe(epoch, losses)
    copy = build_scheduler(SchedulerConfig(name="mtl"), TASKS, (1,) * 4, (1,) * 4, seed=0)
    copy.load_state_dict(built.state_dict())
    assert copy.probabilities(3).tolist() == [1.0] * 4
