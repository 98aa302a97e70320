"""One task, one run."""

import pytest

from engine.dst.stl import SingleTask
from shards.errors import ConfigurationError
from tests.unit.dst.built import facts


def test_the_only_task_is_always_trained():
    built = SingleTask(facts(("Young",)))
    for epoch, loss in enumerate((0.7, 0.9)):
        assert (built.probabilities(epoch).tolist(), built.loss_weights(epoch).tolist()) == ([1.0], [1.0])
        assert built.mask(epoch, 3).tolist() == [True]
        built.observe(epoch, (loss,))


def test_several_tasks_are_refused_with_the_way_out():
    with pytest.raises(ConfigurationError, match=r"stl trains one task per run, and this run has 2; name one .* tools/compare"):
        SingleTask(facts(("Young", "Bald")))
