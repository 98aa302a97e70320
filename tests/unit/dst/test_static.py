"""Weights instead of chance."""

from dataclasses import replace

import pytest

from engine.dst.static import StaticWeights
from engine.journal.journal import FILE_NAME as RECORDS
from engine.journal.records import to_json
from shards.errors import ConfigurationError
from tests.unit.conftest import EPOCH, RUN
from tests.unit.dst.built import facts, scheduler

TASKS = ("Young", "Wearing_Hat", "Bald")
WEIGHTS = {"Bald": 0.25, "Young": 1.5, "Wearing_Hat": 0.5}


def static(tasks=TASKS, **options) -> StaticWeights:
    return scheduler(facts(tasks), name="static", **options)


def test_nothing_is_dropped_and_weights_stay():
    built = static(weights=WEIGHTS)
    for epoch, losses in enumerate([(0.8, 0.8, 0.8), (0.8, 0.1, 0.0)]):
        assert built.probabilities(epoch).tolist() == [1, 1, 1]
        assert built.mask(epoch, 7).tolist() == [True] * 3
        assert built.loss_weights(epoch).tolist() == [1.5, 0.5, 0.25]
        built.observe(epoch, losses)
    built.loss_weights(0)[:] = 0
    assert built.loss_weights(0).tolist() == [1.5, 0.5, 0.25]


def test_measured_weights_go_by_name(tmp_path):
    records = (replace(RUN, epochs=2), EPOCH, replace(EPOCH, epoch=1, probabilities=(0.5, 0.3)))
    (tmp_path / RECORDS).write_text("".join(to_json(record) + "\n" for record in records))
    built = static(tasks=("Wearing_Hat", "Young"), weights_of=tmp_path)
    assert built.loss_weights(0) == pytest.approx([0.55, 0.75])
    with pytest.raises(ConfigurationError, match=rf"weights_of {tmp_path} lacks Bald; every task of the run needs a weight"):
        static(weights_of=tmp_path)
    with pytest.raises(ConfigurationError, match=rf"weights_of {tmp_path} names Wearing_Hat, which this run does not train$"):
        static(tasks=("Young",), weights_of=tmp_path)


def test_weights_of_other_tasks_are_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"scheduler.weights lacks Wearing_Hat, Bald; every task"):
        static(weights={"Young": 0.5})
    with pytest.raises(ConfigurationError, match=r"names Yuong, Male, which this run does not train; did you mean 'Young'"):
        static(weights={"Yuong": 0.5, "Wearing_Hat": 1, "Bald": 1, "Male": 1})


def test_a_state_of_other_weights_is_refused_with_the_difference():
    state = static(weights=WEIGHTS).state_dict()
    assert state["weights"] == [1.5, 0.5, 0.25]
    static(weights=dict(sorted(WEIGHTS.items()))).load_state_dict(state)
    with pytest.raises(ValueError, match=r"other loss weights: Young 1.5, now 1.0; Bald 0.25, now 0.1$"):
        static(weights=WEIGHTS | {"Young": 1, "Bald": 0.1}).load_state_dict(state)
