"""What is asked of the kernel, and when."""

import numpy as np
import pytest

from engine.pipeline.advice import ADVISE_STEPS, Advice
from engine.pipeline.source import ByteSource
from tests.conftest import pack
from tests.loading import open_loader


class Asked(ByteSource):
    """A source that takes note of the advice."""

    def __init__(self, plan):
        super().__init__(plan.dataset, check_crc=True)
        self.samples, self.shards = [], []

    def advise(self, ids):
        self.samples.append(ids.tolist())

    def advise_shard(self, shard):
        self.shards.append(shard)


@pytest.fixture(scope="module")
def many_shards(celeba, tmp_path_factory):
    """The same images in more shards."""
    return pack(celeba, tmp_path_factory.mktemp("many") / "shards", shards=12)


def test_samples_are_asked_for_once_each_a_few_batches_before_their_turn(shards):
    plan = open_loader(shards)._plan
    asked = Asked(plan)
    advice = Advice(plan, asked, 3)
    for number in range(3, 12):
        advice.give(number)
        assert asked.samples == [plan.share(ahead).ids.tolist() for ahead in range(4, number + ADVISE_STEPS + 1)]
    assert asked.shards == []


@pytest.mark.parametrize("start", [0, 30])
@pytest.mark.parametrize("window_shards", [1, 2, 3, 16])
def test_in_windows_whole_shards_are_asked_for_one_window_ahead_once_an_epoch(many_shards, window_shards, start):
    order = {"shuffle": "window", "window_shards": window_shards, "batch_size": 2}
    plan = open_loader(many_shards, order=order)._plan
    asked = Asked(plan)
    advice = Advice(plan, asked, start)
    steps, shards_of = plan.order.steps_per_epoch, plan.dataset.index["shard"]
    num_shards = len(plan.order.shard_sizes)
    for number in range(start, 4 * steps):
        advice.give(number)
        epoch, step = divmod(number, steps)
        window, num_windows = plan.order.window(epoch, step)
        ahead = epoch * num_shards + min(num_shards, (window + 2) * window_shards)
        if window + 1 == num_windows:
            ahead = (epoch + 1) * num_shards + min(num_shards, window_shards)
        # Two shards a step: by the end of a window the next one has been asked for.
        if number > start + 4 and plan.order.window(*divmod(number + 1, steps))[0] != window:
            before = shards_of[plan.order.ids.start : plan.order.ids.stop]
            skipped = plan.order.window(*divmod(start, steps))[0] * window_shards + start // steps * num_shards
            assert len(asked.shards) == ahead - skipped
            upcoming = plan.order.shards_of_window(*((epoch, window + 1) if window + 1 < num_windows else (epoch + 1, 0)))
            assert asked.shards[-len(upcoming) :] == shards_of[upcoming].tolist()
            assert set(asked.shards) <= set(before.tolist())
    assert asked.samples == []


def test_where_windows_pass_faster_than_they_can_be_asked_for_nothing_piles_up(many_shards):
    order = {"shuffle": "window", "window_shards": 4, "batch_size": 16}
    plan = open_loader(many_shards, order=order)._plan
    advice = Advice(plan, Asked(plan), 0)
    for number in range(200):
        advice.give(number)
        assert len(advice._shards) <= 2 * 4


def test_of_listed_samples_the_rest_of_their_shards_is_not_asked_for(many_shards):
    order = {"shuffle": "window", "window_shards": 2, "batch_size": 2, "ids": np.arange(0, 52, 5)}
    plan = open_loader(many_shards, order=order)._plan
    asked = Asked(plan)
    Advice(plan, asked, 0).give(0)
    assert asked.shards == []
    assert set(np.concatenate(asked.samples)) <= set(range(0, 52, 5))
