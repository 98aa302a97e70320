"""What the finished runs left: read from their folders alone, and the runs of single tasks put side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compare.bootstrap import Answers
from engine.compare.comparison import Comparison, PlannedRun
from engine.compare.statistics import Table
from engine.compare.variant import Variant
from engine.journal.history import RunHistory, read_history
from engine.journal.predictions import PREDICTIONS, read_predictions
from engine.journal.records import EvalRecord, RunRecord, TaskMetrics
from engine.loop.curve import probabilities
from shards.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """What a variant came to with one seed; of single-task training, all its runs together."""

    split: str | None
    """Split of the evaluation: `test`, or `val` where there is no test split; None without any."""
    metrics: tuple[TaskMetrics, ...]
    """Its metrics, one entry per task; empty without an evaluation."""
    val: dict[int, tuple[TaskMetrics, ...]]
    """Epoch, from 0 -> metrics on val, one entry per task."""
    probabilities: NDArray[np.float64]
    """[E, T] P(k, t) of each epoch."""
    seconds: float | None
    """Wall time of all processes of the run (of all runs) that ended on their own feet; None where one left no end record."""
    answers: NDArray[np.bool_] | None
    """[N, T] whether each test sample is called positive; None without a test split."""
    labels: NDArray[np.int8] | None
    """[N, T] 1, 0, or -1 for not labelled."""
    records: tuple[RunRecord, ...]
    """What the run is, one entry per run."""
    num_skipped: int
    """Damaged samples that were left out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VariantResults:
    """All outcomes of a variant."""

    variant: Variant
    """What it is."""
    outcomes: tuple[Outcome, ...]
    """One per seed, in the order of the seeds."""

    def table(self, field: str) -> Table:
        """Return [S, T]: a measure, by the name of its field in `TaskMetrics`."""
        return table_of([outcome.metrics for outcome in self.outcomes], field)

    def constant(self) -> NDArray[np.bool_]:
        """Return [S, T]: whether every image of the split got the same answer."""
        return np.array([[entry.constant is not None for entry in outcome.metrics] for outcome in self.outcomes], np.bool_)

    def val_table(self, field: str, epoch: int) -> Table:
        """Return [S, T]: the same measure on val after an epoch, from 0."""
        return table_of([outcome.val[epoch] for outcome in self.outcomes], field)

    def answers(self) -> Answers | None:
        """Return [S, N, T]: what each run answered to the test samples; None without a test split."""
        stacked = [outcome.answers for outcome in self.outcomes if outcome.answers is not None]
        return np.stack(stacked) if len(stacked) == len(self.outcomes) else None


def table_of(rows: Sequence[Sequence[TaskMetrics]], field: str) -> Table:
    """Return [S, T]: a measure of S times T metrics, NaN where the labels do not define it."""
    values = [[getattr(entry, field) for entry in row] for row in rows]
    return np.array([[np.nan if value is None else value for value in row] for row in values], np.float64)


def read_results(plan: Comparison) -> list[VariantResults]:
    """Return the outcomes of all variants.

    Raises:
        DataError: A run's files are missing, damaged, or of other tasks or test samples than those of the first run.
    """
    results = []
    for variant in plan.variants:
        runs = [[run for run in plan.runs if run.variant == variant and run.seed == seed] for seed in plan.seeds]
        results.append(VariantResults(variant=variant, outcomes=tuple(join([read_outcome(run) for run in each]) for each in runs)))
    _check_same_samples(plan, results)
    return results


def read_outcome(run: PlannedRun) -> Outcome:
    """Return what one run came to.

    Raises:
        DataError: Its files are missing or damaged, or do not belong together.
    """
    folder = run.config.run.dir
    history = read_history(folder)
    if run.task is not None and history.run.tasks != (run.task,):
        raise DataError(f"{folder}: its records are of the tasks {', '.join(history.run.tasks)}, not of {run.task}; remove the folder")
    evaluation = next(reversed(history.split("test") or history.split("val")), None)
    answers, labels = _answers(run, evaluation) if evaluation and evaluation.split == "test" else (None, None)
    epochs = [history.epochs[epoch].probabilities for epoch in sorted(history.epochs)]
    return Outcome(
        split=evaluation.split if evaluation else None,
        metrics=evaluation.metrics if evaluation else (),
        val={record.epoch: record.metrics for record in history.split("val")},
        probabilities=np.array(epochs, np.float64).reshape(len(epochs), len(history.run.tasks)),
        seconds=_seconds(history),
        answers=answers,
        labels=labels,
        records=(history.run,),
        num_skipped=len(history.skipped),
    )


def join(parts: Sequence[Outcome]) -> Outcome:
    """Return the outcome of runs that have trained different tasks with one seed, as if it were one run's."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    times = [part.seconds for part in parts if part.seconds is not None]
    answers = [part.answers for part in parts if part.answers is not None]
    labels = [part.labels for part in parts if part.labels is not None]
    return Outcome(
        split=first.split,
        metrics=tuple(entry for part in parts for entry in part.metrics),
        val={epoch: tuple(entry for part in parts for entry in part.val[epoch]) for epoch in first.val},
        probabilities=np.concatenate([part.probabilities for part in parts], axis=1),
        seconds=sum(times) if len(times) == len(parts) else None,
        answers=np.concatenate(answers, axis=1) if len(answers) == len(parts) else None,
        labels=np.concatenate(labels, axis=1) if len(labels) == len(parts) else None,
        records=tuple(record for part in parts for record in part.records),
        num_skipped=max(part.num_skipped for part in parts),
    )


def _seconds(history: RunHistory) -> float | None:
    return sum(end.seconds for end in history.ends) if len(history.ends) == len(history.processes) else None


def _answers(run: PlannedRun, evaluation: EvalRecord) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    folder = run.config.run.dir
    predictions = read_predictions(folder)
    if tuple(predictions.tasks) != tuple(entry.task for entry in evaluation.metrics):
        raise DataError(f"{folder / PREDICTIONS}: is of other tasks than records.jsonl; remove it, and the same command writes it anew")
    answers = probabilities(predictions.logits) > predictions.thresholds
    for task, entry in enumerate(evaluation.metrics):
        known = predictions.labels[:, task] >= 0
        right = int((answers[known, task] == (predictions.labels[known, task] == 1)).sum())
        if entry.num_labelled != known.sum() or (entry.accuracy is not None and abs(entry.accuracy - right / known.sum()) > 1e-6):
            raise DataError(f"{folder / PREDICTIONS}: does not fit records.jsonl; remove it, and the same command writes it anew")
    return answers, predictions.labels


def _check_same_samples(plan: Comparison, results: Sequence[VariantResults]) -> None:
    """Refuse runs whose results cannot be paired."""
    first = results[0].outcomes[0]
    for entry in results:
        for seed, outcome in zip(plan.seeds, entry.outcomes, strict=True):
            name = f"{entry.variant.name} seed {seed}"
            tasks = tuple(task for record in outcome.records for task in record.tasks)
            if tasks != plan.tasks:
                raise DataError(f"{name} has trained the tasks {', '.join(tasks)}, not {', '.join(plan.tasks)}; remove its folder")
            same = first.labels is None or (outcome.labels is not None and np.array_equal(outcome.labels, first.labels))
            if outcome.split != first.split or not same:
                raise DataError(
                    f"{name} was tested on other samples than {results[0].variant.name} seed {plan.seeds[0]}: the data set has changed "
                    "between them; use another --out"
                )
