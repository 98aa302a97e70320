import dataclasses

import numpy as np
import pytest

from engine.compare.results import read_outcome, read_results, table_of
from engine.journal.predictions import PREDICTIONS, read_predictions, write_predictions
from engine.journal.records import EndRecord, EvalRecord
from shards.errors import DataError
from tests.unit.compare.runs import TASKS, change_record, labels_of, plan_of, write_run


@pytest.fixture
def plan(tmp_path):
    """A finished comparison of three schedulers and two seeds."""
    _, made = plan_of(tmp_path / "out", "--schedulers", "stl", "mtl", "dst", "--seeds", "2")
    for run in made.runs:
        write_run(run, TASKS)
    return made


def run_named(plan, name):
    return next(run for run in plan.runs if run.name == name)


def test_single_tasks_stand_side_by_side(plan):
    stl, mtl, dst = read_results(plan)
    assert [len(entry.outcomes) for entry in (stl, mtl, dst)] == [2, 2, 2]
    outcome = stl.outcomes[1]
    assert [entry.task for entry in outcome.metrics] == list(TASKS)
    parts = [read_outcome(run_named(plan, f"stl seed 1 {task}")) for task in TASKS]
    assert outcome.metrics == parts[0].metrics + parts[1].metrics
    assert outcome.seconds == 20.0
    assert np.array_equal(outcome.answers, np.column_stack([part.answers[:, 0] for part in parts]))
    assert np.array_equal(outcome.labels, labels_of(TASKS, 100))
    assert outcome.probabilities.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert stl.answers().shape == (2, 100, 2)
    assert [entry.task for entry in outcome.val[1]] == list(TASKS)


def test_tables_are_seeds_by_tasks(plan):
    _, mtl, _ = read_results(plan)
    expected = [[entry.accuracy for entry in outcome.metrics] for outcome in mtl.outcomes]
    assert mtl.table("accuracy").tolist() == expected
    assert mtl.val_table("accuracy", 0).shape == (2, 2)
    undefined = dataclasses.replace(mtl.outcomes[0].metrics[0], f1=None)
    assert np.isnan(table_of([[undefined]], "f1")[0, 0])


def test_answers_are_those_of_the_records(plan):
    _, mtl, _ = read_results(plan)
    labels = labels_of(TASKS, 100)
    for outcome in mtl.outcomes:
        known = labels[:, 0] >= 0
        right = (outcome.answers[known, 0] == (labels[known, 0] == 1)).mean()
        assert right == pytest.approx(outcome.metrics[0].accuracy)


def test_a_run_cut_off_without_a_word_has_no_time(plan):
    run = run_named(plan, "stl seed 0 Bald")
    path = run.config.run.dir / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    again = lines[0].replace('"resumed_epoch": 0', '"resumed_epoch": 2')
    path.write_text("".join([*lines[:-2], again, *lines[-2:]]))
    stl, mtl, _ = read_results(plan)
    assert [outcome.seconds for outcome in stl.outcomes] == [None, 20.0]
    assert [outcome.seconds for outcome in mtl.outcomes] == [10.0, 10.0]


def test_all_processes_of_a_resumed_run_count(plan):
    run = run_named(plan, "mtl seed 0")
    path = run.config.run.dir / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    stop = '{"record": "EndRecord", "reason": "stopped", "seconds": 4.5}\n'
    path.write_text("".join([*lines[:-2], stop, lines[0].replace('"resumed_epoch": 0', '"resumed_epoch": 2'), *lines[-2:]]))
    assert read_results(plan)[1].outcomes[0].seconds == 14.5


def test_without_a_test_split_val_is_taken(plan):
    for run in plan.runs:
        change_record(run, EvalRecord, split="val")
        (run.config.run.dir / PREDICTIONS).unlink()
    _, mtl, _ = read_results(plan)
    assert mtl.outcomes[0].split == "val"
    assert mtl.answers() is None


def test_answers_that_are_not_the_records_are_refused(plan):
    folder = run_named(plan, "mtl seed 0").config.run.dir
    predictions = read_predictions(folder)
    write_predictions(folder, dataclasses.replace(predictions, logits=-predictions.logits))
    with pytest.raises(DataError, match=r"predictions.npz: does not fit records.jsonl; remove it, and the same command writes it anew"):
        read_results(plan)
    write_predictions(folder, dataclasses.replace(predictions, tasks=("Young", "Bold")))
    with pytest.raises(DataError, match=r"predictions.npz: is of other tasks than records.jsonl"):
        read_results(plan)
    (folder / PREDICTIONS).unlink()
    with pytest.raises(DataError, match=r"predictions.npz: no such file"):
        read_results(plan)


def test_runs_of_other_samples_cannot_be_paired(plan, tmp_path):
    run = run_named(plan, "dst seed 1")
    moved = dataclasses.replace(run, config=dataclasses.replace(run.config, run=dataclasses.replace(run.config.run, dir=tmp_path / "x")))
    write_run(moved, TASKS, num_samples=90)
    for name in ("records.jsonl", PREDICTIONS):
        (tmp_path / "x" / name).rename(run.config.run.dir / name)
    with pytest.raises(DataError, match=r"dst seed 1 was tested on other samples than stl seed 0: the data set has changed"):
        read_results(plan)


def test_runs_of_other_tasks_cannot_be_paired(plan, tmp_path):
    run = run_named(plan, "mtl seed 0")
    _, other = plan_of(tmp_path / "other", "--schedulers", "mtl", "--seeds", "1", tasks=("Young", "Bangs"))
    write_run(other.runs[0], ("Young", "Bangs"))
    for name in ("records.jsonl", PREDICTIONS):
        (other.runs[0].config.run.dir / name).rename(run.config.run.dir / name)
    with pytest.raises(DataError, match=r"mtl seed 0 has trained the tasks Young, Bangs, not Young, Bald; remove its folder"):
        read_results(plan)


def test_a_folder_of_another_single_task_is_refused(plan):
    first, second = (run_named(plan, f"stl seed 0 {task}").config.run.dir for task in TASKS)
    (second / "records.jsonl").write_text((first / "records.jsonl").read_text())
    with pytest.raises(DataError, match=r"seed-0/Bald: its records are of the tasks Young, not of Bald; remove the folder"):
        read_results(plan)


def test_a_missing_run_is_named(plan):
    (run_named(plan, "mtl seed 1").config.run.dir / "records.jsonl").unlink()
    with pytest.raises(DataError, match=r"mtl/seed-1/records.jsonl: no such file"):
        read_results(plan)


def test_the_end_records_reason_does_not_matter(plan):
    change_record(run_named(plan, "mtl seed 1"), EndRecord, seconds=3.0)
    assert read_results(plan)[1].outcomes[1].seconds == 3.0
