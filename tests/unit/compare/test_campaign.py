from contextlib import ExitStack

import pytest

from engine.compare import campaign
from engine.compare.campaign import LostRun, lock_beside, train_all, without_results
from engine.compare.execute import Executor
from shards.errors import ConfigurationError, DivergenceError, Interrupted
from shards.storage.lock import lock_folder, try_lock
from tests.unit.compare.runs import DATA, TASKS, plan_of, write_run


class Notes:
    """A display that notes what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, num_runs, *, num_present):
        self.told.append(f"{num_present} of {num_runs}")

    def start(self, number, run, *, resumes):
        self.told.append(f"{number} {run.name} {'goes on' if resumes else 'starts'}")

    def done(self, number, run):
        self.told.append(f"{number} {run.name} done")

    def failed(self, number, run, outcome):
        self.told.append(f"{number} {run.name} {outcome}")

    passed = failed

    def wait(self, runs):
        self.told.append(f"waits for {', '.join(run.name for run in runs)}")


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path / "out", "--schedulers", "mtl", "dst", "--seeds", "2")[1]


@pytest.fixture
def trained(monkeypatch, plan):
    """The configurations that were trained, each written as a finished run."""
    configs = []

    def execute(_self, config):
        configs.append(config)
        run = next(run for run in plan.runs if run.config.run.dir == config.run.dir)
        if config.run.if_exists == "refuse":
            write_run(run, TASKS)

    monkeypatch.setattr(Executor, "execute", execute)
    return configs


def test_what_is_there_stays_and_what_has_begun_goes_on(plan, trained):
    write_run(plan.runs[1], TASKS)
    write_run(plan.runs[2], TASKS, finished=False)
    notes = Notes()
    train_all(plan, notes, DATA)
    assert [(config.run.dir, config.run.if_exists) for config in trained] == [
        (plan.runs[0].config.run.dir, "refuse"),
        (plan.runs[2].config.run.dir, "resume"),
        (plan.runs[3].config.run.dir, "refuse"),
    ]
    assert notes.told == [
        "1 of 4",
        "1 mtl seed 0 starts",
        "1 mtl seed 0 done",
        "3 mtl seed 1 goes on",
        "3 mtl seed 1 done",
        "4 dst seed 1 starts",
        "4 dst seed 1 done",
    ]


def test_a_foreign_run_is_found_before_the_first_one_trains(plan, trained, tmp_path):
    other = plan_of(tmp_path / "out", "--schedulers", "mtl", "dst", "--seeds", "2", "--optimizer.lr", "0.5")[1]
    write_run(other.runs[3], TASKS)
    with pytest.raises(ConfigurationError, match=r"dst/seed-1: holds a run with other settings: optimizer.lr was 0.5, is 0.001"):
        train_all(plan, Notes(), DATA)
    assert trained == []


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (Interrupted("go on with --run.dir x"), Interrupted, r"^stopped by a signal in mtl seed 0; the same command goes on$"),
        (ConfigurationError("too few samples"), ConfigurationError, r"^mtl seed 0: too few samples$"),
    ],
)
def test_a_run_that_ends_early_ends_the_comparison(plan, monkeypatch, raised, expected, message):
    def execute(_self, _config):
        raise raised

    monkeypatch.setattr(Executor, "execute", execute)
    with pytest.raises(expected, match=message):
        train_all(plan, Notes(), DATA)


@pytest.fixture
def unstable(monkeypatch):
    """`dst` diverges with seed 1, and leaves what such a run leaves; the other runs finish."""

    def execute(_self, config):
        run = next(run for run in execute.plan.runs if run.config.run.dir == config.run.dir)
        diverges = run.name == "dst seed 1"
        write_run(run, TASKS, diverged="epoch 0, step 3" if diverges else None)
        if diverges:
            raise DivergenceError("epoch 0, step 3")

    monkeypatch.setattr(Executor, "execute", execute)
    return execute


def test_a_run_that_diverges_is_lost_with_those_that_need_it_and_the_others_go_on(tmp_path, unstable):
    unstable.plan = plan_of(tmp_path / "out", "--schedulers", "static", "dst", "mtl", "--seeds", "2")[1]
    runs = {run.name: run for run in unstable.plan.runs}
    expected = [
        LostRun(run=runs["dst seed 1"], reason="epoch 0, step 3"),
        LostRun(run=runs["static seed 1"], reason="dst seed 1, whose mean P it would take, diverged"),
    ]
    notes = Notes()
    assert train_all(unstable.plan, notes, DATA) == expected
    assert [line for line in notes.told if line.endswith(("done", "diverged", "left out"))] == [
        "1 dst seed 0 done",
        "2 mtl seed 0 done",
        "3 static seed 0 done",
        "4 dst seed 1 diverged",
        "5 mtl seed 1 done",
        "6 static seed 1 left out",
    ]
    # Again nothing is trained: it would only diverge again.
    unstable.plan = None
    notes, plan = Notes(), plan_of(tmp_path / "out", "--schedulers", "static", "dst", "mtl", "--seeds", "2")[1]
    assert train_all(plan, notes, DATA) == expected
    assert notes.told == ["5 of 6", "6 static seed 1 left out"]
    assert not plan.runs[5].config.run.dir.exists()


class Other(Notes):
    """Another process at work on the same runs: it takes some of them before this one begins, and ends them while this one waits.

    Args:
        plan: The comparison.
        ends: Names of its runs -> how it leaves them: `finished`, `unfinished`, or why they diverged.
    """

    def __init__(self, plan, ends):
        super().__init__()
        self._held = ExitStack()
        self._runs = [(run, ends[run.name]) for run in plan.runs if run.name in ends]
        for run, _ in self._runs:
            assert self._held.enter_context(try_lock(lock_beside(run.config.run.dir)))

    def wait(self, runs):
        super().wait(runs)
        for run, end in self._runs:
            write_run(run, TASKS, finished=end == "finished", diverged=None if end in ("finished", "unfinished") else end)
        self._held.close()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(campaign, "_POLL_SECONDS", 0.0)


def test_runs_that_another_process_trains_are_left_to_it_and_taken_over_when_it_dies(plan, trained):
    first, second, third, fourth = plan.runs
    other = Other(plan, {first.name: "finished", second.name: "unfinished", fourth.name: "epoch 0, step 3"})
    assert train_all(plan, other, DATA) == [LostRun(run=fourth, reason="epoch 0, step 3")]
    assert [(config.run.dir, config.run.if_exists) for config in trained] == [
        (third.config.run.dir, "refuse"),
        (second.config.run.dir, "resume"),
    ]
    assert other.told == [
        "0 of 4",
        "3 mtl seed 1 starts",
        "3 mtl seed 1 done",
        "waits for mtl seed 0, dst seed 0, dst seed 1",
        "1 mtl seed 0 trained by another process",
        "2 dst seed 0 goes on",
        "2 dst seed 0 done",
        "4 dst seed 1 diverged in another process",
    ]
    assert not list(first.config.run.dir.parent.glob(".*.lock"))


@pytest.mark.parametrize(("end", "then"), [("finished", "starts"), ("epoch 0, step 3", "left out")])
def test_static_waits_for_the_run_of_another_process_whose_mean_p_it_takes(tmp_path, monkeypatch, end, then):
    _, plan = plan_of(tmp_path / "out", "--schedulers", "static", "dst", "--seeds", "1")
    monkeypatch.setattr(Executor, "execute", lambda *_: None)
    other = Other(plan, {"dst seed 0": end})
    train_all(plan, other, DATA)
    assert other.told[1] == "waits for dst seed 0, static seed 0"
    assert other.told[3] == f"2 static seed 0 {then}"


def test_static_with_the_mean_p_of_a_static_run_of_its_own_comparison_waits_for_no_other_process(tmp_path, monkeypatch):
    out = tmp_path / "out"
    words = ("--schedulers", "static", "--seeds", "2", "--scheduler.weights_of", str(tmp_path / "x/../out/runs/static/seed-1"))
    _, plan = plan_of(out, *words)
    monkeypatch.setattr(Executor, "execute", lambda *_: None)
    notes = Notes()
    assert train_all(plan, notes, DATA) == []
    # The first waits for the second, and that for nobody; whether it can be had is the run's own to say.
    assert notes.told == ["0 of 2", "2 static seed 1 starts", "2 static seed 1 done", "1 static seed 0 starts", "1 static seed 0 done"]


def test_a_run_that_is_trained_on_its_own_is_left_in_peace(plan, monkeypatch):
    class Single(Notes):
        """`engine/train.py`, which has one run to itself until this process waits."""

        def wait(self, runs):
            super().wait(runs)
            held.close()

    monkeypatch.setattr(Executor, "execute", lambda *_: None)
    held = ExitStack()
    held.enter_context(lock_folder(plan.runs[0].config.run.dir, work="training"))
    single = Single()
    train_all(plan, single, DATA)
    assert "waits for mtl seed 0" in single.told
    assert single.told[-2:] == ["1 mtl seed 0 starts", "1 mtl seed 0 done"]


def test_what_was_lost_in_words(plan):
    first, second, third = plan.runs[1], plan.runs[3], plan.runs[0]
    lost = [LostRun(run=first, reason="epoch 0"), LostRun(run=second, reason="epoch 1"), LostRun(run=third, reason="x\x1b[31my")]
    assert without_results(lost) == {
        first.variant: "dst is left out: dst seed 0 and 1 more have no result (epoch 0)",
        third.variant: "mtl is left out: mtl seed 0 has no result (x\\x1b[31my)",
    }
