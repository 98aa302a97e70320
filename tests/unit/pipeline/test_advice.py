"""What is asked of the kernel, and when."""

import numpy as np
import pytest

from engine.pipeline.advice import ADVISE_STEPS, Advice
from engine.pipeline.source import ByteSource
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


def test_samples_are_asked_for_once_each_a_few_batches_before_their_turn(shards):
    plan = open_loader(shards)._plan
    asked = Asked(plan)
    advice = Advice(plan, asked)
    for number in range(3, 12):
        advice.give(number)
        assert asked.samples == [plan.slice(ahead).ids.tolist() for ahead in range(3, number + ADVISE_STEPS + 1)]
    assert asked.shards == []


@pytest.mark.parametrize("window_shards", [1, 2, 3])
def test_in_windows_whole_shards_are_asked_for_before_their_turn_and_again_in_the_next_epoch(shards, window_shards):
    order = {"shuffle": "window", "window_shards": window_shards, "batch_size": 4}
    plan = open_loader(shards, order=order)._plan
    asked = Asked(plan)
    advice = Advice(plan, asked)
    num_steps = 3 * plan.order.steps_per_epoch
    for number in range(num_steps):
        advice.give(number)
        wanted = set(np.unique(plan.dataset.index[plan.slice(number).ids]["shard"]).tolist())
        # Among those asked for last: nothing that was asked for long ago counts.
        assert wanted <= set(asked.shards[-3 * window_shards :])
        # A window is asked for well before it begins.
        ahead = plan.slice(number + max(1, plan.order.steps_per_window() - 1)).ids
        assert set(plan.dataset.index[ahead]["shard"].tolist()) <= set(asked.shards)
    assert asked.samples == []
    if window_shards == 1:
        # Three shards, three epochs and a bit: each again in each epoch, unless it was the one just read.
        assert 7 <= len(asked.shards) <= 11
