import json

import numpy as np
import pytest

from engine.compare.assess import assess
from engine.compare.findings import findings_json
from engine.compare.results import read_results
from engine.compare.tables import make_tables
from engine.compare.verdict import verdict
from engine.journal.predictions import PREDICTIONS, read_predictions, write_predictions
from engine.journal.records import EvalRecord
from tests.unit.compare.runs import TASKS, change_record, plan_of, write_run


def found(out, *arguments, skill=lambda *_: 1.0, metric="accuracy", tasks=TASKS, **options):
    """What a comparison of hand-written runs finds."""
    _, plan = plan_of(out, *arguments, tasks=tasks)
    for run in plan.runs:
        write_run(run, tasks, skill, **options)
    return assess(plan, read_results(plan), metric, num_resamples=200)


def clearly(run, task):
    """A skill by which dst is much better than mtl on the first task, and stl better than both on the second."""
    return (
        {"dst": 1.5, "mtl": 0.2, "stl": 0.8}[run.variant.scheduler] if task == "Young" else 2.5 if run.variant.scheduler == "stl" else 0.5
    )


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    return found(tmp_path_factory.mktemp("clear"), "--schedulers", "stl", "mtl", "dst", "--seeds", "4", skill=clearly, num_samples=400)


def test_means_and_deviations_are_those_of_the_records(clear):
    mtl = clear.variant("mtl")
    values = [entry.measures["accuracy"].values for entry in mtl.tasks]
    assert mtl.tasks[0].measures["accuracy"].mean == pytest.approx(np.mean(values[0]))
    assert mtl.tasks[0].measures["accuracy"].deviation == pytest.approx(np.std(values[0], ddof=1))
    assert mtl.overall.measures["accuracy"].values == pytest.approx([sum(pair) / 2 for pair in zip(*values, strict=True)])
    assert (clear.seeds, clear.tasks, clear.split, clear.num_samples) == ((0, 1, 2, 3), TASKS, "test", 400)


def test_differences_are_paired_by_seed(clear):
    mtl, dst = clear.variant("mtl"), clear.variant("dst")
    pairs = zip(dst.tasks[0].measures["accuracy"].values, mtl.tasks[0].measures["accuracy"].values, strict=True)
    differences = [ours - theirs for ours, theirs in pairs]
    known = dst.tasks[0].to_baseline
    assert known.mean == pytest.approx(np.mean(differences))
    assert known.standard_error == pytest.approx(np.std(differences, ddof=1) / 2)
    assert known.interval[0] < known.mean < known.interval[1]
    assert known.p == max(known.p_bootstrap, known.p_seeds)
    assert known.is_significant
    assert dst.baseline == "mtl"
    assert mtl.baseline is None
    assert mtl.overall.to_baseline is None


def test_all_tasks_of_all_variants_share_one_correction(clear):
    tests = [entry.to_baseline for variant in clear.variants for entry in variant.tasks if entry.to_baseline]
    assert len(tests) == 4
    smallest = min(tests, key=lambda known: known.p)
    assert smallest.p_adjusted == pytest.approx(min(1, 4 * smallest.p))
    means = [variant.overall.to_baseline for variant in clear.variants if variant.overall.to_baseline]
    assert min(means, key=lambda known: known.p).p_adjusted == pytest.approx(min(1, 2 * min(known.p for known in means)))


def test_negative_transfer_is_counted_against_single_tasks(clear):
    stl, mtl, dst = (clear.variant(name) for name in ("stl", "mtl", "dst"))
    assert [entry.suffers for entry in dst.tasks] == [False, True]
    assert (dst.num_suffering, mtl.num_suffering, stl.num_suffering) == (1, 2, None)
    assert (stl.single, mtl.single) == (None, "stl")
    gains = [
        50 * sum((ours - theirs) / theirs for ours, theirs in zip(row, other, strict=True))
        for row, other in zip(
            zip(*(entry.measures["accuracy"].values for entry in dst.tasks), strict=True),
            zip(*(entry.measures["accuracy"].values for entry in stl.tasks), strict=True),
            strict=True,
        )
    ]
    assert dst.relative_gain.values == pytest.approx(gains)
    assert stl.relative_gain is None


def test_times_curves_and_probabilities(clear):
    stl, dst = clear.variant("stl"), clear.variant("dst")
    assert (stl.seconds.mean, dst.seconds.mean) == (20.0, 10.0)
    assert dst.val_epochs == (0, 1)
    assert np.array(dst.val).shape == (4, 2)
    # Of the first epoch 1 and 0.9, of the second 1 - 0.2/3 and 1 - 0.4/3.
    assert np.array(dst.probabilities) == pytest.approx(np.array([[1, 0.9], [1 - 0.2 / 3, 1 - 0.4 / 3]]))
    assert (dst.drops_tasks, stl.drops_tasks) == (True, False)


def test_references_need_no_model(clear):
    known = [entry.measures for entry in clear.variant("mtl").tasks]
    assert clear.references["balanced_accuracy"] == (0.5, 0.5, 0.5)
    assert clear.references["accuracy"][2] == pytest.approx(sum(clear.references["accuracy"][:2]) / 2)
    assert clear.references["calibration_error"] == (None, None, None)
    assert len(known) == 2


def test_the_same_runs_differ_in_nothing(tmp_path):
    # mtl under two names: the answers depend on the name, so both get the same here.
    _, plan = plan_of(tmp_path, "--schedulers", "mtl", "random", "--seeds", "2")
    for run in plan.runs:
        write_run(run, TASKS)
    for seed in (0, 1):
        mtl, random = (tmp_path / f"runs/{name}/seed-{seed}" for name in ("mtl", "random"))
        for name in ("records.jsonl", PREDICTIONS):
            (random / name).write_bytes((mtl / name).read_bytes())
    known = assess(plan, read_results(plan), "f1", 100).variant("random").overall.to_baseline
    assert (known.mean, known.p_bootstrap, known.p_seeds, known.p_adjusted) == (0.0, 1.0, 1.0, 1.0)


def test_one_seed_has_no_test_over_seeds(tmp_path):
    known = found(tmp_path, "--schedulers", "stl", "mtl", "dst", "--seeds", "1").variant("dst")
    assert known.overall.to_baseline.p_bootstrap is not None
    assert (known.overall.to_baseline.p, known.overall.to_baseline.p_adjusted) == (None, None)
    assert known.num_suffering is None
    assert known.relative_gain.mean is not None


def test_without_mtl_nothing_is_resampled(tmp_path):
    assert all(variant.overall.to_baseline is None for variant in found(tmp_path, "--schedulers", "dst", "random", "--seeds", "2").variants)


def test_on_val_only_the_seeds_are_tested(tmp_path):
    _, plan = plan_of(tmp_path, "--schedulers", "mtl", "dst", "--seeds", "3")
    for run in plan.runs:
        write_run(run, TASKS)
        change_record(run, EvalRecord, split="val")
        (run.config.run.dir / PREDICTIONS).unlink()
    made = assess(plan, read_results(plan), "accuracy", 100)
    known = made.variant("dst").overall.to_baseline
    assert made.split == "val"
    assert (known.p_bootstrap, known.interval) == (None, None)
    assert known.p == known.p_seeds
    assert known.p_adjusted is not None


def unlabel(run, task):
    """Take the test labels of a task away."""
    folder = run.config.run.dir
    predictions = read_predictions(folder)
    place = predictions.tasks.index(task)
    predictions.labels[:, place] = -1
    write_predictions(folder, predictions)
    path = folder / "records.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["record"] == "EvalRecord":
            line["metrics"][place] = dict.fromkeys(line["metrics"][place]) | {"task": task, "num_labelled": 0, "num_positive": 0}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_task_without_labels_is_left_out_of_means(tmp_path):
    _, plan = plan_of(tmp_path, "--schedulers", "stl", "mtl", "dst", "--seeds", "2")
    for run in plan.runs:
        write_run(run, TASKS)
        if run.task != "Young":
            unlabel(run, "Bald")
    made = assess(plan, read_results(plan), "balanced_accuracy", 100)
    dst = made.variant("dst")
    assert dst.tasks[1].measures["balanced_accuracy"].mean is None
    assert dst.overall.measures["balanced_accuracy"].values == dst.tasks[0].measures["balanced_accuracy"].values
    assert dst.tasks[1].to_baseline.p is None
    assert dst.tasks[1].suffers is None
    assert dst.overall.to_baseline.mean == pytest.approx(dst.tasks[0].to_baseline.mean)
    assert dst.overall.to_baseline.p_bootstrap == dst.tasks[0].to_baseline.p_bootstrap
    assert "NaN" not in findings_json(made)


@pytest.fixture(scope="module")
def unlearned(tmp_path_factory):
    """The same, but stl never learned the first task with seed 0, and dst the second with seed 2."""

    def skill(run, task):
        dead = (run.variant.scheduler, run.seed, task) in (("stl", 0, TASKS[0]), ("dst", 2, TASKS[1]))
        return np.nan if dead else clearly(run, task)

    return found(tmp_path_factory.mktemp("unlearned"), "--schedulers", "stl", "mtl", "dst", "--seeds", "4", skill=skill, num_samples=400)


def test_runs_that_never_learned_are_counted(unlearned):
    runs = {variant.name: (variant.num_constant_runs, variant.num_runs) for variant in unlearned.variants}
    assert runs == {"stl": (1, 8), "mtl": (0, 4), "dst": (1, 4)}
    assert [[entry.num_constant for entry in variant.tasks] for variant in unlearned.variants] == [[1, 0], [0, 0], [0, 1]]


def test_nothing_is_claimed_of_tasks_that_a_run_never_learned(unlearned, clear):
    stl, mtl, dst = unlearned.variants
    # stl against mtl, and mtl against stl: only the second task is left; dst against mtl: only the first; dst against stl: none.
    assert [entry.to_baseline.mean is None for entry in stl.tasks] == [True, False]
    assert [entry.suffers is None for entry in mtl.tasks] == [True, False]
    assert [entry.to_baseline.mean is None for entry in dst.tasks] == [False, True]
    assert [entry.suffers for entry in dst.tasks] == [None, None]
    assert (dst.relative_gain.mean, dst.num_suffering, dst.overall.to_single.mean) == (None, None, None)
    # What is left is what it would be without the dead runs.
    whole = clear.variant("dst").tasks[0].to_baseline
    assert dst.overall.to_baseline.mean == pytest.approx(whole.mean)
    assert dst.overall.to_baseline.interval == pytest.approx(whole.interval)
    assert dst.overall.to_baseline.p_bootstrap == whole.p_bootstrap
    assert dst.tasks[0].to_baseline.mean == whole.mean
    alone, joint = (clear.variant(name).tasks[1].measures["accuracy"].values for name in ("stl", "mtl"))
    gains = [100 * (together - single) / single for together, single in zip(joint, alone, strict=True)]
    assert mtl.relative_gain.values == pytest.approx(gains)


def test_the_answer_begins_with_the_runs_that_never_learned(unlearned):
    first, *_ = verdict(unlearned)
    assert first == (
        f"Runs that answer every image alike: 1 of 8 of stl ({TASKS[0]} 1); 1 of 4 of dst ({TASKS[1]} 1). These tasks (†) are left out of "
        "what is said of differences, Δm and negative transfer."
    )
    table = next(table for table in make_tables(unlearned) if table.corner == "task")
    assert [["†" in cell.text for cell in row.cells] for row in table.rows] == [
        [True, False, False, False],
        [False, False, True, False],
        [True, False, True, False],
    ]
    assert "†: with runs that answer every image alike" in table.caption


def test_where_all_learned_nothing_is_said_of_it(clear):
    assert not any("alike" in sentence for sentence in verdict(clear))
    assert not any("†" in table.caption for table in make_tables(clear))
