"""Thresholds of the answers, chosen or not."""

import json

import numpy as np
import pytest
import torch

from engine.loop.curve import best_threshold, task_curve
from engine.loop.thresholds import Thresholds
from tests.unit.loop.reference import TASKS, random_table


def tables(num_samples: int = 100):
    return tuple(torch.from_numpy(table) for table in random_table(num_samples))


def test_half_stays_half_whatever_is_seen():
    thresholds = Thresholds(len(TASKS), "half")
    thresholds.see("val", *tables())
    assert thresholds.values == (0.5,) * len(TASKS)


def test_only_val_is_chosen_from_and_only_labelled_samples_count():
    thresholds = Thresholds(len(TASKS), "val")
    thresholds.see("test", *tables())
    assert thresholds.values == (0.5,) * len(TASKS)
    thresholds.see("val", *tables())
    logits, labels = random_table(100)
    known = labels[:, 6] >= 0
    assert thresholds.values[6] == best_threshold(task_curve(logits[known, 6], labels[known, 6] == 1))
    # Without both classes there is nothing to choose by.
    assert [thresholds.values[TASKS.index(name)] for name in ("constant", "absent", "unlabelled")] == [0.5] * 3
    assert len(set(thresholds.values)) > 3


def test_the_last_val_counts_and_a_task_that_lost_a_class_has_half_again():
    thresholds = Thresholds(1, "val")
    thresholds.see("val", torch.tensor([[3.0], [2.0]]), torch.tensor([[1], [0]], dtype=torch.int8))
    assert thresholds.values[0] > 0.88
    thresholds.see("val", torch.tensor([[3.0], [2.0]]), torch.tensor([[1], [-1]], dtype=torch.int8))
    assert thresholds.values == (0.5,)


def test_they_go_through_json_to_the_last_digit():
    thresholds, resumed = Thresholds(len(TASKS), "val"), Thresholds(len(TASKS), "val")
    thresholds.see("val", *tables())
    resumed.load_state_dict(json.loads(json.dumps(thresholds.state_dict())))
    assert resumed.values == thresholds.values
    assert np.array_equal(np.array(resumed.values, np.float32), np.array(resumed.values))


@pytest.mark.parametrize("state", [{}, {"values": [0.5]}, {"values": [0.5, 1.5]}, {"values": [0.5, "0.5"]}, {"values": "ab"}])
def test_what_does_not_fit_is_refused(state):
    with pytest.raises(ValueError, match="thresholds: expected 2 numbers from 0 to 1"):
        Thresholds(2, "val").load_state_dict(state)
