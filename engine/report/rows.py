"""One row per task: what a table about an epoch or a test says, whoever draws it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine.journal.history import RunHistory
from engine.journal.records import HALF, TaskMetrics

MEAN = "mean"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRow:
    """What is known of one task. None where it was not measured or is not defined."""

    task: str
    """Task name as the labels carry it; untrusted text."""
    probability: float | None = None
    """P(k, t) of the epoch."""
    active_share: float | None = None
    """Share of the epoch's steps, 0 to 1, in which the task was trained."""
    train_loss: float | None = None
    """V(k, t)."""
    metrics: TaskMetrics | None = None
    """The evaluation that belongs to the row."""


def epoch_rows(history: RunHistory, epoch: int) -> list[TaskRow]:
    """Return one row per task of a finished epoch, with its metrics on val when they are there."""
    record = history.epochs[epoch]
    evaluation = history.evals.get(("val", epoch))
    metrics = evaluation.metrics if evaluation else (None,) * len(history.run.tasks)
    values = zip(history.run.tasks, record.probabilities, record.active_shares, record.task_losses, metrics, strict=True)
    return [
        TaskRow(task=task, probability=probability, active_share=share, train_loss=loss, metrics=entry)
        for task, probability, share, loss, entry in values
    ]


def metric_rows(metrics: Iterable[TaskMetrics]) -> list[TaskRow]:
    """Return one row per task of an evaluation."""
    return [TaskRow(task=entry.task, metrics=entry) for entry in metrics]


def mean_row(rows: Sequence[TaskRow]) -> TaskRow:
    """Return the mean over the tasks, for each column over those tasks that have a value in it."""
    metrics = [row.metrics for row in rows if row.metrics is not None]
    return TaskRow(
        task=MEAN,
        probability=mean(row.probability for row in rows),
        active_share=mean(row.active_share for row in rows),
        train_loss=mean(row.train_loss for row in rows),
        metrics=mean_metrics(metrics) if metrics else None,
    )


def mean_metrics(metrics: Sequence[TaskMetrics]) -> TaskMetrics:
    """Return the macro average: each measure's mean over the tasks that define it; the counts are sums."""

    def average(measure: Callable[[TaskMetrics], float | None]) -> float | None:
        return mean(measure(entry) for entry in metrics)

    return TaskMetrics(
        task=MEAN,
        num_labelled=sum(entry.num_labelled for entry in metrics),
        num_positive=sum(entry.num_positive for entry in metrics),
        threshold=None,
        loss=average(lambda entry: entry.loss),
        accuracy=average(lambda entry: entry.accuracy),
        balanced_accuracy=average(lambda entry: entry.balanced_accuracy),
        precision=average(lambda entry: entry.precision),
        recall=average(lambda entry: entry.recall),
        f1=average(lambda entry: entry.f1),
        auroc=average(lambda entry: entry.auroc),
        average_precision=average(lambda entry: entry.average_precision),
        calibration_error=average(lambda entry: entry.calibration_error),
        majority_accuracy=average(lambda entry: entry.majority_accuracy),
        all_positive_f1=average(lambda entry: entry.all_positive_f1),
        constant=None,
    )


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are there.

    >>> mean([1.0, None, 2.0]), mean([None])
    (1.5, None)
    """
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def beats_majority(metrics: TaskMetrics | None) -> bool | None:
    """Say whether the model is right more often than always answering the majority; None where that cannot be said."""
    if metrics is None or metrics.accuracy is None or metrics.majority_accuracy is None:
        return None
    return metrics.accuracy > metrics.majority_accuracy


def beats_all_positive(metrics: TaskMetrics | None) -> bool | None:
    """Say whether F1 is above that of always answering "present"; None where that cannot be said."""
    if metrics is None or metrics.f1 is None or metrics.all_positive_f1 is None:
        return None
    return metrics.f1 > metrics.all_positive_f1


def has_own_threshold(metrics: TaskMetrics | None) -> bool:
    """Say whether the answers were given at another threshold than 0.5."""
    return metrics is not None and metrics.threshold not in (None, HALF)
