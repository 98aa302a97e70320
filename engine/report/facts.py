"""A run's facts as pairs of name and value, once for the terminal, plain text and the page."""

from engine.journal.history import RunHistory
from engine.journal.records import RunRecord
from engine.report.rates import Percentiles, Throughput, data_wait_share, images_per_second
from engine.report.summary import SplitSummary, Summary
from engine.show.words import NOT_MEASURED, TIMES, Facts, count, duration, memory, milliseconds, number, percent
from shards.command import one_line


def run_facts(run: RunRecord) -> Facts:
    """Return what the run is. Text that comes from outside is free of control characters."""
    total = f"{count(run.num_parameters)} parameters, {count(run.num_trainable_parameters)} trainable"
    batch = f"{count(run.global_batch_size)}"
    if run.micro_batch_size * run.world_size != run.global_batch_size:
        batch += f" ({count(run.micro_batch_size)} per pass)"
    precision = "float32" if run.precision == "no" else run.precision
    facts = [
        ("model", one_line(run.model)),
        ("", total),
        *([("features", one_line(run.features))] if run.features else []),
        ("device", f"{one_line(run.device)} {TIMES} {run.world_size} · precision {precision}"),
        ("training", f"{run.scheduler} scheduler · batch {batch} · {run.epochs} epochs of {count(run.steps_per_epoch)} steps"),
        ("images", " · ".join(f"{one_line(split)} {count(size)}" for split, size in run.split_sizes.items())),
    ]
    if (run.resumed_epoch, run.resumed_step) != (0, 0):
        facts.append(("resumed", f"at epoch {run.resumed_epoch + 1}, step {run.resumed_step + 1}"))
    return facts


def task_facts(run: RunRecord) -> list[str]:
    """Return each task with its share of positives among the labelled training samples."""
    return [f"{one_line(task)} {percent(rate)}" for task, rate in zip(run.tasks, run.positive_rates, strict=True)]


def epoch_facts(history: RunHistory, epoch: int) -> list[str]:
    """Return the facts of a finished epoch, its number first."""
    loader = history.loaders.get(epoch)
    return [
        f"epoch {epoch + 1}/{history.run.epochs}",
        f"loss {number(history.epochs[epoch].loss, 4)}",
        f"{count(images_per_second(loader) if loader else None)} images/s",
        f"data wait {percent(data_wait_share(loader) if loader else None, 1)}",
        duration(loader.seconds if loader else None),
    ]


def summary_facts(summary: Summary) -> Facts:
    """Return what the run came to, speed first; the verdict's sentence and the notes stand apart."""
    return [*throughput_facts(summary.throughput), *result_facts(summary)]


def throughput_facts(speed: Throughput) -> Facts:
    """Return the figures behind the verdict."""
    warmup = f" · first batch after {duration(speed.warmup_seconds)}" if speed.warmup_seconds is not None else ""
    return [
        ("throughput", f"{count(speed.images_per_second)} images/s · data wait {percent(speed.data_wait_share, 1)}{warmup}"),
        ("step", percentiles(speed.step_ms)),
        ("data wait", percentiles(speed.data_wait_ms)),
        ("memory", f"process {memory(speed.rss_anon_bytes)} · GPU peak {memory(speed.gpu_peak_bytes)}"),
    ]


def result_facts(summary: Summary) -> Facts:
    """Return the figures of the evaluations and the schedule."""
    facts: Facts = []
    if summary.test:
        mean = summary.test.mean
        scores = (
            f"AUROC {number(mean.auroc)} · F1 {number(mean.f1)} (all positive {number(mean.all_positive_f1)}) · "
            f"average precision {number(mean.average_precision)} · ECE {number(mean.calibration_error)}"
        )
        facts.append(("test", f"{scores} · {count(summary.test.num_samples)} images"))
    if summary.last_val:
        facts.append(("val, last", _scores(summary.last_val)))
    if summary.best_val and summary.last_val and summary.best_val.epoch != summary.last_val.epoch:
        facts.append(("val, best", _scores(summary.best_val)))
    known = [value for value in summary.mean_probabilities if value is not None]
    if known:
        facts.append(("mean P", f"{number(min(known), 2)} to {number(max(known), 2)} over the tasks"))
    facts.append(("wall time", f"{duration(summary.wall_seconds)}{without_features(summary)}"))
    return facts


def without_features(summary: Summary) -> str:
    """Return what a run's wall time leaves out, in words.

    The clock starts when everything is built: features may have been there, or were computed before.
    """
    return ", without computing the features" if summary.run.features and summary.wall_seconds is not None else ""


def percentiles(times: Percentiles | None) -> str:
    """Return percentiles in words, with the epoch they belong to."""
    if times is None:
        return NOT_MEASURED
    return (
        f"median {milliseconds(times.median)} · 95th {milliseconds(times.p95)} · 99th {milliseconds(times.p99)} "
        f"(epoch {times.epoch + 1}, the worst)"
    )


def _scores(evaluation: SplitSummary) -> str:
    mean = evaluation.mean
    return f"balanced accuracy {number(mean.balanced_accuracy)} · accuracy {number(mean.accuracy)} · after epoch {evaluation.epoch + 1}"
