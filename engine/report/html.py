"""The report as one page that needs nothing else: styles and plots are inside it."""

from dataclasses import dataclass, replace

from markupsafe import Markup

from engine.journal.history import RunHistory
from engine.report.columns import PAGE_COLUMNS
from engine.report.facts import result_facts, run_facts, task_facts, throughput_facts
from engine.report.plots import Series, heat_map, panels, speed
from engine.report.rates import DATA_BOUND_ABOVE, data_wait_share, images_per_second
from engine.report.rows import TaskRow, beats_majority
from engine.report.summary import Summary, summarise
from engine.report.tables import task_table
from engine.show.page import render
from engine.show.tables import Table
from engine.show.words import Facts, count, duration, number, percent
from shards.command import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """One plot on the page."""

    title: str
    caption: str
    svg: Markup | None = None
    """Drawn by matplotlib, which escapes the text in it."""
    panels: tuple[tuple[str, str, Markup], ...] = ()
    """Instead of one drawing: task, last value and drawing of each panel."""
    is_heat_map: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One number in the headline."""

    value: str
    name: str
    remark: str = ""
    style: str = ""
    """`good`, `bad` or empty."""


def page(history: RunHistory, config: str | None = None) -> str:
    """Return the report page.

    Args:
        history: The run.
        config: Text of the run's configuration file, shown folded.
    """
    summary = summarise(history)
    return render(
        "engine.report",
        "report.html.j2",
        title=history.run.name,
        kind="report",
        subtitle=f"started {one_line(history.run.started)}",
        summary=summary,
        cards=cards(summary),
        table=result_table(summary),
        plots=plots(history),
        facts=_facts(history, summary),
        config=config,
        config_title="Configuration",
    )


def result_table(summary: Summary) -> Table | None:
    """Return the result table; None without an evaluation."""
    if summary.result is None:
        return None
    values = zip(summary.result.tasks, summary.mean_probabilities, summary.mean_active_shares, strict=True)
    rows = [TaskRow(task=entry.task, metrics=entry, probability=probability, active_share=share) for entry, probability, share in values]
    caption = (
        f"After epoch {summary.result.epoch + 1}, {count(summary.result.num_samples)} images. Accuracy stands beside that of always "
        "answering the training split's more frequent class; where it is not above it, both are marked; so is F1 beside that of always "
        "answering “present”. ECE is the expected calibration error. P and the active share are means over the epochs."
    )
    return replace(task_table(rows, PAGE_COLUMNS), title=f"Result on {summary.result.split}", caption=caption)


def cards(summary: Summary) -> list[Card]:
    """Return the headline numbers: the result beside what needs no model, then speed."""
    shown = []
    if summary.result:
        split, mean = summary.result.split, summary.result.mean
        above = beats_majority(mean)
        style = "" if above is None else "good" if above else "bad"
        shown = [
            Card(value=number(mean.balanced_accuracy), name=f"{split} balanced accuracy", remark="chance 0.500"),
            Card(value=number(mean.accuracy), name=f"{split} accuracy", remark=f"majority {number(mean.majority_accuracy)}", style=style),
            Card(value=number(mean.auroc), name=f"{split} AUROC", remark="chance 0.500"),
        ]
    rate = summary.throughput
    style = {"compute-bound": "good", "data-bound": "bad"}.get(rate.verdict, "")
    return [
        *shown,
        Card(value=count(rate.images_per_second), name="images/s", remark=rate.verdict, style=style),
        Card(value=percent(rate.data_wait_share, 1), name="data wait", remark=f"limit {percent(DATA_BOUND_ABOVE)}"),
        Card(
            value=duration(summary.wall_seconds),
            name="wall time without features" if summary.run.features else "wall time",
            remark=f"{summary.num_epochs} of {summary.run.epochs} epochs",
        ),
    ]


def plots(history: RunHistory) -> list[Plot]:
    """Return the plots for which there is something to draw."""
    return [*_training_plots(history), *_val_plots(history), *_schedule_plots(history), *_speed_plots(history)]


def _training_plots(history: RunHistory) -> list[Plot]:
    if not history.epochs:
        return []
    caption = (
        "V(k, t) over all batches of the epoch, dropped or not; the number is the last epoch's. "
        "Grey: mean over the tasks. All panels have the same axes."
    )
    return [_panels("Training loss per task", caption, _epoch_series(history, "task_losses"))]


def _val_plots(history: RunHistory) -> list[Plot]:
    evaluations = history.split("val")
    if not evaluations:
        return []
    values = zip(*([entry.balanced_accuracy for entry in record.metrics] for record in evaluations), strict=True)
    epochs = tuple(record.epoch for record in evaluations)
    series = Series(name="balanced_accuracy", tasks=history.run.tasks, epochs=epochs, values=tuple(values))
    caption = "After each epoch; the number is the last one's. Dashed: chance, 0.5, whatever the class balance. Grey: mean over the tasks."
    return [_panels("Balanced accuracy on val", caption, series, level=0.5)]


def _schedule_plots(history: RunHistory) -> list[Plot]:
    if not history.epochs:
        return []
    probabilities = Plot(
        title="Activation probability P(k, t)",
        caption=f"The chance that the {one_line(history.run.scheduler)} scheduler gave each task of being trained in a step.",
        svg=heat_map(_epoch_series(history, "probabilities")),
        is_heat_map=True,
    )
    shares = Plot(
        title="Active share of the steps",
        caption="What was drawn: the share of the epoch's steps in which the task was trained.",
        svg=heat_map(_epoch_series(history, "active_shares")),
        is_heat_map=True,
    )
    return [probabilities, shares]


def _speed_plots(history: RunHistory) -> list[Plot]:
    measured = [record for _, record in sorted(history.loaders.items()) if record.seconds > 0]
    if not measured:
        return []
    svg = speed(
        [record.epoch for record in measured],
        [images_per_second(record) or 0.0 for record in measured],
        [data_wait_share(record) or 0.0 for record in measured],
        DATA_BOUND_ABOVE,
    )
    caption = f"Above the dashed line, {percent(DATA_BOUND_ABOVE)}, the loader is worth looking at. Warm-up and evaluation are left out."
    return [Plot(title="Throughput and data wait", caption=caption, svg=svg)]


def _panels(title: str, caption: str, series: Series, level: float | None = None) -> Plot:
    drawings = zip(series.tasks, series.values, panels(series, level=level), strict=True)
    return Plot(title=title, caption=caption, panels=tuple((one_line(task), number(values[-1]), svg) for task, values, svg in drawings))


def _epoch_series(history: RunHistory, field: str) -> Series:
    epochs = tuple(sorted(history.epochs))
    values = tuple(zip(*(getattr(history.epochs[epoch], field) for epoch in epochs), strict=True))
    return Series(name=field, tasks=history.run.tasks, epochs=epochs, values=values)


def _facts(history: RunHistory, summary: Summary) -> Facts:
    run = history.run
    versions = ", ".join(f"{one_line(name)} {one_line(version)}" for name, version in run.versions.items())
    return [
        *run_facts(run),
        ("positives", ", ".join(task_facts(run))),
        *throughput_facts(summary.throughput),
        *result_facts(summary),
        ("versions", versions),
    ]
