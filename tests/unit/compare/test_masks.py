import dataclasses

import numpy as np
import pytest

from engine.compare.masks import drawn_masks
from engine.config import SchedulerConfig
from engine.dst.random_drop import RandomDrop
from engine.records import EpochRecord, StepRecord
from shards.errors import DataError
from tests.unit.compare.runs import NUM_STEPS, TASKS, change_record, plan_of, write_run


@pytest.mark.parametrize("granularity", ["step", "epoch"])
def test_they_are_those_that_the_scheduler_drew(tmp_path, granularity):
    _, plan = plan_of(tmp_path, "--schedulers", "random", "--seeds", "1", "--first-seed", "3", "--scheduler.granularity", granularity)
    (run,) = plan.runs
    write_run(run, TASKS)
    change_record(run, EpochRecord, probabilities=(0.7, 0.7))
    scheduler = RandomDrop(SchedulerConfig(name="random", granularity=granularity), TASKS, seed=3)
    expected = []
    for epoch in range(2):
        expected += [scheduler.mask(epoch, step) for step in range(NUM_STEPS)]
        scheduler.observe(epoch, (0.5, 0.5))
    masks_of_last_step = {0: expected[NUM_STEPS - 1], 1: expected[-1]}
    _keep_true_steps(run, masks_of_last_step)
    assert np.array_equal(drawn_masks(run), np.array(expected))


def _keep_true_steps(run, masks):
    from engine.records import from_json, to_json

    path = run.config.run.dir / "records.jsonl"
    lines = [from_json(line) for line in path.read_text().splitlines()]
    lines = [
        dataclasses.replace(line, active=tuple(masks[line.epoch].tolist())) if isinstance(line, StepRecord) else line for line in lines
    ]
    path.write_text("".join(to_json(line) + "\n" for line in lines))


def test_a_run_that_trained_otherwise_is_told(tmp_path):
    _, plan = plan_of(tmp_path, "--schedulers", "random", "--seeds", "1")
    write_run(plan.runs[0], TASKS)
    change_record(plan.runs[0], EpochRecord, probabilities=(0.001, 0.001))
    change_record(plan.runs[0], StepRecord, active=(True, True))
    with pytest.raises(DataError, match=r"random/seed-0: in epoch 1, step 4 other tasks were trained than its P and seed give"):
        drawn_masks(plan.runs[0])


def test_a_task_without_a_label_in_the_batch_is_drawn_all_the_same(tmp_path):
    _, plan = plan_of(tmp_path, "--schedulers", "random", "--seeds", "1")
    write_run(plan.runs[0], TASKS)
    change_record(plan.runs[0], StepRecord, active=(False, False))
    assert drawn_masks(plan.runs[0]).any(1).all()
