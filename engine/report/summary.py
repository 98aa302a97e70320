"""What a run came to: one frozen record of facts, numbers and honest sentences, from the run's history."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

from engine.journal.history import RunHistory
from engine.journal.records import EvalRecord, RunRecord, TaskMetrics
from engine.report.notes import notes
from engine.report.rates import Throughput, throughput
from engine.report.rows import mean, mean_metrics
from engine.show.words import number


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitSummary:
    """One evaluation with its mean over the tasks."""

    split: str
    """`val` or `test`."""
    epoch: int
    """Epoch, from 0, after which it was taken."""
    num_samples: int
    """Samples of the split."""
    mean: TaskMetrics
    """Each measure's mean over the tasks that define it."""
    tasks: tuple[TaskMetrics, ...]
    """One entry per task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a run came to. Its JSON twin is `summary.json`."""

    status: str
    """`finished`, `stopped` (resumable), `diverged` or `unfinished` (still running, or killed)."""
    num_epochs: int
    """Training epochs finished."""
    throughput: Throughput
    """Speed and what limits it."""
    test: SplitSummary | None
    """The last evaluation on test."""
    best_val: SplitSummary | None
    """The evaluation on val with the best mean balanced accuracy, the first of equals."""
    last_val: SplitSummary | None
    """The last evaluation on val."""
    mean_probabilities: tuple[float | None, ...]
    """P(k, t) averaged over the epochs, per task; None before the first epoch is over."""
    mean_active_shares: tuple[float | None, ...]
    """Share of the steps, 0 to 1, in which the task was trained, averaged over the epochs, per task."""
    num_processes: int
    """Processes that worked on the run one after another: 1 plus the number of resumptions."""
    wall_seconds: float | None
    """Wall time, everything included, of the processes that ended on their own feet; None when none did."""
    notes: tuple[str, ...]
    """What an honest reader should know besides the numbers."""
    run: RunRecord
    """What the run is, as its last process said."""

    @property
    def result(self) -> SplitSummary | None:
        """Return the evaluation to judge the run by: test, or the last one on val while there is none."""
        return self.test or self.last_val


def summarise(history: RunHistory) -> Summary:
    """Return the summary of a run, finished or not."""
    epochs = [history.epochs[epoch] for epoch in sorted(history.epochs)]
    loaders = [history.loaders[epoch] for epoch in sorted(history.loaders)]
    tasks = range(len(history.run.tasks))
    val = [split_summary(record) for record in history.split("val")]
    test = history.split("test")
    return Summary(
        status=history.status,
        num_epochs=len(epochs),
        throughput=throughput(loaders, from_features=history.run.features is not None),
        test=split_summary(test[-1]) if test else None,
        best_val=_best(val),
        last_val=val[-1] if val else None,
        mean_probabilities=tuple(mean(record.probabilities[t] for record in epochs) for t in tasks),
        mean_active_shares=tuple(mean(record.active_shares[t] for record in epochs) for t in tasks),
        num_processes=len(history.processes),
        wall_seconds=sum(end.seconds for end in history.ends) if history.ends else None,
        notes=notes(history),
        run=history.run,
    )


def split_summary(record: EvalRecord) -> SplitSummary:
    """Return an evaluation with its mean."""
    return SplitSummary(
        split=record.split,
        epoch=record.epoch,
        num_samples=record.num_samples,
        mean=mean_metrics(record.metrics),
        tasks=record.metrics,
    )


def headline(summary: Summary) -> str:
    """Return the result in one line, beside what needs no model at all."""
    result = summary.result
    if result is None:
        return "no evaluation yet"
    dead, alike = (sum(entry.constant == kind for entry in result.tasks) for kind in ("logits", "answers"))
    return (
        f"{result.split} balanced accuracy {number(result.mean.balanced_accuracy)} (chance 0.500) · "
        f"accuracy {number(result.mean.accuracy)} · majority {number(result.mean.majority_accuracy)}"
        + (f" · {dead} of {len(result.tasks)} tasks never learned" if dead else "")
        + (f" · one answer for all images on {alike} of {len(result.tasks)} tasks" if alike else "")
    )


def summary_json(summary: Summary) -> str:
    """Return the summary as indented JSON; NaN is refused with a ValueError."""
    return json.dumps(dataclasses.asdict(summary), indent=2, allow_nan=False) + "\n"


def _best(evaluations: Sequence[SplitSummary]) -> SplitSummary | None:
    scored = [entry for entry in evaluations if entry.mean.balanced_accuracy is not None]
    # `max` keeps the first of equals; the value cannot be None here, `or` only tells the type checker so.
    return max(scored, key=lambda entry: entry.mean.balanced_accuracy or 0.0, default=None)
