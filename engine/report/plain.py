"""The same story for logs and pipes: plain lines, no colour, no box, no cursor."""

from engine.journal.history import RunHistory
from engine.journal.records import SkipRecord, StepRecord
from engine.report.columns import EPOCH_COLUMNS, TEST_COLUMNS
from engine.report.facts import epoch_facts, run_facts, summary_facts, task_facts
from engine.report.rows import epoch_rows, metric_rows
from engine.report.summary import Summary, headline
from engine.report.tables import in_plain_text
from engine.show.words import count, number, percent
from shards.command import one_line


def header_lines(history: RunHistory) -> list[str]:
    """Return what opens a run."""
    run = history.run
    facts = [*run_facts(run), ("positives", ", ".join(task_facts(run)))]
    return [f"run {one_line(run.name)}", *_pairs(facts)]


def step_line(history: RunHistory, step: StepRecord) -> str:
    """Return one reported step; the active tasks as 1, the dropped as 0, in label order."""
    run = history.run
    active = "".join("1" if is_active else "0" for is_active in step.active)
    return (
        f"epoch {step.epoch + 1}/{run.epochs} step {step.step + 1}/{run.steps_per_epoch} loss {number(step.loss, 4)} "
        f"{count(step.images_per_second)} images/s data wait {percent(step.data_wait_share)} tasks {active}"
    )


def skip_line(skipped: SkipRecord) -> str:
    """Return one damaged sample that was left out."""
    return f"skipped: {skipped.split} image {skipped.key!r} of {skipped.shard} {skipped.reason}"


def epoch_lines(history: RunHistory, epoch: int) -> list[str]:
    """Return one finished epoch: its line, then its tasks."""
    return [" · ".join(epoch_facts(history, epoch)), *in_plain_text(epoch_rows(history, epoch), EPOCH_COLUMNS)]


def summary_lines(summary: Summary) -> list[str]:
    """Return what closes a run: the test table, the result, speed and its verdict, the notes."""
    lines = []
    if summary.test:
        lines += [f"test after epoch {summary.test.epoch + 1}", *in_plain_text(metric_rows(summary.test.tasks), TEST_COLUMNS)]
    speed = summary.throughput
    return [
        *lines,
        headline(summary),
        f"{speed.verdict}: {speed.sentence}",
        *_pairs(summary_facts(summary)),
        *(f"note: {note}" for note in summary.notes),
    ]


def _pairs(facts: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in facts)
    return [f"  {name.ljust(width)}  {value}" for name, value in facts]
