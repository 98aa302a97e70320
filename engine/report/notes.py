"""The honest sentences under a run's numbers: each says something only when it is true of this run."""

from collections.abc import Iterator, Sequence

from engine.journal.history import RunHistory
from engine.journal.records import RARELY_DROPPED, EvalRecord, TaskMetrics
from engine.report.rows import beats_majority, has_own_threshold, mean, mean_metrics
from engine.show.words import number, percent
from shards.command import one_line

GAIN_WORTH_SAYING = 0.005
"""By how much the best epoch's balanced accuracy must exceed the last one's to be worth a sentence."""

MOST_NAMES = 5
"""Skipped samples that are named in the note on them."""


def notes(history: RunHistory) -> tuple[str, ...]:
    """Return the sentences that hold for this run; names in them are free of control characters."""
    latest = [records[-1] for split in ("test", "val") if (records := history.split(split))]
    return (
        *_progress(history),
        *(note for record in latest for note in _constant(record)),
        *(note for record in latest[:1] for note in _against_majority(record)),
        *(note for record in latest for note in _undefined(record)),
        *(note for record in latest[:1] for note in _thresholds(record)),
        *_dropping(history),
        *_best_epoch(history),
        *_skipped(history),
        *_processes(history),
    )


def _progress(history: RunHistory) -> Iterator[str]:
    if history.status != "finished":
        what = f"the run {'has' if history.status == 'diverged' else 'is'} {history.status}"
        detail = history.ends[-1].detail if history.status == "diverged" else ""
        yield f"{what}: {len(history.epochs)} of {history.run.epochs} epochs are done{f'; {one_line(detail)}' if detail else ''}"


def _constant(record: EvalRecord) -> Iterator[str]:
    dead = [entry for entry in record.metrics if entry.constant == "logits"]
    if dead:
        which, it = (f"task {_names(dead)}", "it") if len(dead) == 1 else (f"{len(dead)} tasks ({_names(dead)})", "each")
        yield f"{which} never learned: the model gives {it} one and the same logit for every {record.split} image"
    alike = [entry for entry in record.metrics if entry.constant == "answers"]
    if alike:
        which = f"task {_names(alike)}" if len(alike) == 1 else f"{len(alike)} tasks ({_names(alike)})"
        yield f"the answer to {which} is the same for every {record.split} image; balanced accuracy is then 0.5"


def _against_majority(record: EvalRecord) -> Iterator[str]:
    comparable = [entry for entry in record.metrics if beats_majority(entry) is not None]
    if not comparable:
        return
    total = mean_metrics(comparable)
    verb = "is" if beats_majority(total) else "is not"
    yield (
        f"mean {record.split} accuracy {percent(total.accuracy, 1)} {verb} above the majority predictor's "
        f"{percent(total.majority_accuracy, 1)}"
    )
    below = [entry for entry in comparable if not beats_majority(entry)]
    if below:
        yield f"no better than the majority predictor on {len(below)} of {len(comparable)} tasks: {_names(below)}"


def _undefined(record: EvalRecord) -> Iterator[str]:
    unlabelled = [entry for entry in record.metrics if entry.num_labelled == 0]
    constant = [entry for entry in record.metrics if entry.num_labelled > 0 and entry.num_positive in (0, entry.num_labelled)]
    if unlabelled:
        yield f"{_subject(unlabelled)} without a label on {record.split}: no measure at all"
    if constant:
        yield f"{_subject(constant)} constant on {record.split}: no balanced accuracy"


def _thresholds(record: EvalRecord) -> Iterator[str]:
    own = [entry for entry in record.metrics if has_own_threshold(entry)]
    if own:
        yield (
            f"the thresholds of {len(own)} of {len(record.metrics)} tasks were chosen on val for balanced accuracy, not for accuracy; "
            "val's own figures are optimistic"
        )


def _dropping(history: RunHistory) -> Iterator[str]:
    if not history.run.drops_tasks or not history.epochs:
        return
    lowest = [min(values) for values in zip(*(record.probabilities for record in history.epochs.values()), strict=True)]
    kept = sum(value >= RARELY_DROPPED for value in lowest)
    overall = mean(value for record in history.epochs.values() for value in record.probabilities) or 0.0
    if 2 * kept > len(lowest) and overall >= RARELY_DROPPED:
        yield f"P stayed ≥ {RARELY_DROPPED} for {kept} of {len(lowest)} tasks: {one_line(history.run.scheduler)} hardly dropped anything"


def _best_epoch(history: RunHistory) -> Iterator[str]:
    scores = {record.epoch: mean_metrics(record.metrics).balanced_accuracy for record in history.split("val")}
    scored = {epoch: score for epoch, score in scores.items() if score is not None}
    if not scored:
        return
    best, last = max(scored, key=lambda epoch: scored[epoch]), max(scored)
    if scored[best] - scored[last] >= GAIN_WORTH_SAYING:
        yield (
            f"val balanced accuracy was best after epoch {best + 1} ({number(scored[best])}), "
            f"not after epoch {last + 1} ({number(scored[last])})"
        )


def _skipped(history: RunHistory) -> Iterator[str]:
    if history.skipped:
        keys = ", ".join(one_line(record.key) for record in list(history.skipped.values())[:MOST_NAMES])
        more = ", …" if len(history.skipped) > MOST_NAMES else ""
        number_of = f"{len(history.skipped)} damaged sample{'s were' if len(history.skipped) > 1 else ' was'}"
        yield f"{number_of} skipped: {keys}{more}; records.jsonl tells shards and reasons"


def _processes(history: RunHistory) -> Iterator[str]:
    resumptions = len(history.processes) - 1
    if resumptions:
        yield f"the run was resumed {resumptions} time{'s' if resumptions > 1 else ''}"
    missing = len(history.processes) - len(history.ends) - (history.status == "unfinished")
    if missing > 0:
        yield f"the wall time leaves out {missing} process{'es' if missing > 1 else ''} that died without an end record"


def _subject(entries: Sequence[TaskMetrics]) -> str:
    return f"task {_names(entries)} is" if len(entries) == 1 else f"tasks {_names(entries)} are"


def _names(entries: Sequence[TaskMetrics]) -> str:
    return ", ".join(one_line(entry.task) for entry in entries)
