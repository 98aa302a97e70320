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


def test_samples_are_asked_for_once_each_a_few_batches_before_their_turn(shards):
    plan = open_loader(shards)._plan
    asked = Asked(plan)
    advice = Advice(plan, asked)
    for number in range(3, 12):
        advice.give(number)
        assert asked.samples == [plan.slice(ahead).ids.tolist() for ahead in range(3, number + ADVISE_STEPS + 1)]
    assert asked.shards == []


@pytest.fixture(scope="module")
def many_shards(celeba, tmp_path_factory):
    """The same images in more shards."""
    return pack(celeba, tmp_path_factory.mktemp("many") / "shards", shards=12)


@pytest.mark.parametrize("window_shards", [1, 2])
def test_in_windows_whole_shards_are_asked_for_before_their_turn_and_again_in_the_next_epoch(many_shards, window_shards):
    order = {"shuffle": "window", "window_shards": window_shards, "batch_size": 1}
    plan = open_loader(many_shards, order=order)._plan
    asked = Asked(plan)
    advice = Advice(plan, asked)
    num_steps = 3 * plan.order.steps_per_epoch
    for number in range(num_steps):
        advice.give(number)
        wanted = set(np.unique(plan.dataset.index[plan.slice(number).ids]["shard"]).tolist())
        # Among those asked for last; one that ended an epoch may come again a little later, and is not asked for twice.
        assert wanted <= set(asked.shards[-6 * window_shards :])
        # A window is asked for well before it begins.
        ahead = plan.slice(number + max(1, plan.order.steps_per_window() - 1)).ids
        assert set(plan.dataset.index[ahead]["shard"].tolist()) <= set(asked.shards)
    assert asked.samples == []
    num_shards = sum(shard.split == "train" for shard in plan.dataset.manifest.shards)
    # Each again in each epoch; a little more for what is ahead, a little less where one epoch ends with what the next begins with.
    assert num_shards >= 10
    assert 3 * num_shards - 3 * window_shards <= len(asked.shards) <= 3 * num_shards + 3 * window_shards
