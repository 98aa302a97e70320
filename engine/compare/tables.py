"""The tables of a comparison, once for the page, the Markdown file and the console. Their text is untrusted until a writer escapes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.compare.findings import SIGNIFICANT, Difference, Findings, Spread, TaskFindings, VariantFindings
from engine.compare.measures import MEASURES, measure_of
from engine.compare.statistics import HARM_BELOW
from engine.compare.verdict import p_text, points
from engine.report.words import NOT_MEASURED, duration, number
from shards.command import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One entry of a table."""

    text: str
    """What it says."""
    is_best: bool = False
    """Whether it is the best of those it is compared with."""
    is_bad: bool = False
    """Whether it is to be marked as harm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row."""

    name: str
    """Its first entry."""
    cells: tuple[Cell, ...]
    """The others, one per column."""
    is_reference: bool = False
    """Whether it tells of no variant but of what needs no model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table."""

    title: str
    """Its heading."""
    caption: str
    """What its numbers are."""
    corner: str
    """Head of the first column."""
    columns: tuple[str, ...]
    """Heads of the others."""
    rows: tuple[Row, ...]
    """Its rows."""
    ends_with_mean: bool = False
    """Whether the last row is the mean over the others."""


def make_tables(findings: Findings) -> list[Table]:
    """Return the tables for which there is something to say: the two of the variants first, then those of the tasks."""
    tables = [measures_table(findings), baselines_table(findings), _task_table(findings)]
    if any(variant.overall.to_baseline for variant in findings.variants):
        tables.append(_baseline_table(findings))
    if any(variant.overall.to_single for variant in findings.variants):
        tables.append(_single_table(findings))
    return tables


def measures_table(findings: Findings) -> Table:
    """Return every measure of every variant, the chosen one first, above what needs no model."""
    chosen = measure_of(findings.metric)
    measures = [chosen, *(measure for measure in MEASURES if measure != chosen)]
    columns = [
        _best([variant.overall.measures[measure.field] for variant in findings.variants], measure.better_when) for measure in measures
    ]
    rows = [
        Row(name=one_line(variant.name), cells=tuple(column[place] for column in columns))
        for place, variant in enumerate(findings.variants)
    ]
    references = [Cell(text=number(findings.references[measure.field][-1])) for measure in measures]
    return Table(
        title=f"Result on {findings.split}",
        caption=f"Mean over the tasks{_over(findings)}. Bold: the best mean, which need not be better by more than chance. Last row: "
        "chance for balanced accuracy and AUROC, always answering the majority for accuracy, always answering “present” for F1, the share "
        "of positives for average precision. Calibration error: lower is better.",
        corner="variant",
        columns=tuple(measure.name for measure in measures),
        rows=(*rows, Row(name="without a model", cells=tuple(references), is_reference=True)),
    )


def baselines_table(findings: Findings) -> Table:
    """Return how every variant stands against plain multitask learning and single-task training, and what it costs."""
    return Table(
        title="Against mtl and stl",
        caption=f"In mean {findings.split} {measure_of(findings.metric).name}. Points are hundredths, ± one standard error over the seeds. "
        "p (bootstrap): paired over seeds and test samples. p (seeds): paired t-test over the seeds. Adjusted: the larger of the two after "
        f"Holm's correction for {sum(variant.overall.to_baseline is not None for variant in findings.variants)} comparisons; below "
        f"{SIGNIFICANT} counts as a difference. Δm: mean over tasks of the relative gain over stl, ± standard deviation. Negative "
        f"transfer: tasks whose mean difference to stl, paired by seed, lies below {HARM_BELOW:g} standard errors (sd(d) / √S). Time: of a "
        "run; of stl, of the runs of all tasks together.",
        corner="variant",
        columns=("to mtl, points", "95 % of resamples", "p (bootstrap)", "p (seeds)", "adjusted", "Δm, %", "negative transfer", "time"),
        rows=tuple(Row(name=one_line(variant.name), cells=tuple(_against(variant))) for variant in findings.variants),
    )


def _against(variant: VariantFindings) -> Iterable[Cell]:
    difference = variant.overall.to_baseline or Difference(mean=None, standard_error=None)
    yield Cell(text=_points(difference))
    yield Cell(text=f"{points(difference.interval[0])} to {points(difference.interval[1])}" if difference.interval else NOT_MEASURED)
    for value in (difference.p_bootstrap, difference.p_seeds, difference.p_adjusted):
        yield Cell(text=p_text(value))
    yield Cell(text=_spread(variant.relative_gain, digits=2, signed=True))
    count = variant.num_suffering
    yield Cell(
        text=NOT_MEASURED if count is None else f"{count} of {sum(entry.suffers is not None for entry in variant.tasks)}",
        is_bad=bool(count),
    )
    yield Cell(text=duration(variant.seconds.mean))


def _task_table(findings: Findings) -> Table:
    measure = measure_of(findings.metric)
    references = findings.references[findings.metric]
    rows = []
    for place, (task, *entries) in enumerate(_by_task(findings)):
        cells = _best([entry.measures[findings.metric] for entry in entries], measure.better_when)
        rows.append(Row(name=one_line(task), cells=(*cells, Cell(text=number(references[place])))))
    return Table(
        title=f"{measure.name[0].upper()}{measure.name[1:]} per task",
        caption=f"On {findings.split}{_over(findings)}. Bold: the best mean of the row.",
        corner="task",
        columns=(*(one_line(variant.name) for variant in findings.variants), "without a model"),
        rows=tuple(rows),
        ends_with_mean=True,
    )


def _baseline_table(findings: Findings) -> Table:
    compared = [variant for variant in findings.variants if variant.overall.to_baseline]
    rows = []
    for task, *entries in _by_task(findings, compared):
        differences = [entry.to_baseline or Difference(mean=None, standard_error=None) for entry in entries]
        texts = [text for known in differences for text in (_points(known), p_text(known.p_bootstrap), p_text(known.p_adjusted))]
        marks = [known.is_significant for known in differences for _ in range(3)]
        rows.append(Row(name=one_line(task), cells=tuple(Cell(text=text, is_best=mark) for text, mark in zip(texts, marks, strict=True))))
    num_tests = len(findings.all_p())
    return Table(
        title="Difference to mtl per task",
        caption=f"In points of {findings.split} {measure_of(findings.metric).name}, ± one standard error; p of the paired bootstrap; and "
        f"the larger of it and the t-test's over seeds, adjusted (Holm) for all {num_tests} tests of this table. Bold: adjusted below "
        f"{SIGNIFICANT}. The mean is adjusted for the variants only.",
        corner="task",
        columns=tuple(f"{one_line(variant.name)} {head}" for variant in compared for head in ("points", "p", "adjusted")),
        rows=tuple(rows),
        ends_with_mean=True,
    )


def _single_table(findings: Findings) -> Table:
    compared = [variant for variant in findings.variants if variant.overall.to_single]
    rows = []
    for task, *entries in _by_task(findings, compared):
        cells = [Cell(text=_points(entry.to_single), is_bad=bool(entry.suffers)) for entry in entries]
        rows.append(Row(name=one_line(task), cells=tuple(cells)))
    return Table(
        title="Difference to stl per task",
        caption=f"In points of {findings.split} {measure_of(findings.metric).name}, ± one standard error over the seeds. Marked: negative "
        f"transfer, below {HARM_BELOW:g} standard errors.",
        corner="task",
        columns=tuple(one_line(variant.name) for variant in compared),
        rows=tuple(rows),
        ends_with_mean=True,
    )


def _by_task(findings: Findings, variants: Sequence[VariantFindings] | None = None) -> Iterable[tuple[str, *tuple[TaskFindings, ...]]]:
    """Yield each task's name and its findings of every variant, the mean last."""
    entries = [[*variant.tasks, variant.overall] for variant in (findings.variants if variants is None else variants)]
    for row in zip(*entries, strict=True):
        yield row[0].task, *row


def _best(spreads: Sequence[Spread], better_when: str) -> list[Cell]:
    """Return the spreads as cells; the best mean is marked where there are several."""
    known = [spread.mean for spread in spreads if spread.mean is not None]
    best = (max if better_when == "higher" else min)(known, default=None)
    return [Cell(text=_spread(spread), is_best=len(known) > 1 and spread.mean is not None and spread.mean == best) for spread in spreads]


def _spread(spread: Spread | None, digits: int = 3, *, signed: bool = False) -> str:
    if spread is None or spread.mean is None:
        return NOT_MEASURED
    sign = "+" if signed and round(spread.mean, digits) > 0 else ""
    deviation = f" ± {number(spread.deviation, digits)}" if spread.deviation is not None else ""
    return f"{sign}{number(spread.mean, digits)}{deviation}"


def _points(difference: Difference | None) -> str:
    if difference is None or difference.mean is None:
        return NOT_MEASURED
    error = f" ± {points(difference.standard_error, signed=False)}" if difference.standard_error is not None else ""
    return f"{points(difference.mean)}{error}"


def _over(findings: Findings) -> str:
    seeds = findings.seeds
    return f", mean ± standard deviation over {len(seeds)} seeds" if len(seeds) > 1 else ", one seed"
