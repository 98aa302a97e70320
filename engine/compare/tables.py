"""The tables of a comparison, once for the page, the Markdown file and the console. Their text is untrusted until a writer escapes it."""

from collections.abc import Iterable, Sequence

from engine.compare.findings import SIGNIFICANT, Difference, Findings, Spread, TaskFindings, VariantFindings
from engine.compare.measures import MEASURES, measure_of
from engine.compare.statistics import HARM_BELOW
from engine.compare.verdict import CONSTANT, p_text, points
from engine.show.tables import DOWN, UP, Cell, Head, Mark, Row, Table
from engine.show.words import MINUS, NOT_MEASURED, duration, number
from shards.command import one_line


def with_minus(text: str) -> str:
    r"""Return a text of numbers with the true minus sign.

    >>> ascii(with_minus("-0.30 to -0.10"))
    "'\\u22120.30 to \\u22120.10'"
    """
    return text.replace("-", MINUS)


_HARM = with_minus(f"{HARM_BELOW:g}")


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
        _best(
            [variant.overall.measures[measure.field] for variant in findings.variants],
            measure.better_when,
            [variant.overall.num_constant for variant in findings.variants],
        )
        for measure in measures
    ]
    rows = [
        Row(name=one_line(variant.name), cells=tuple(column[place] for column in columns))
        for place, variant in enumerate(findings.variants)
    ]
    references = [_cell(number(findings.references[measure.field][-1])) for measure in measures]
    return Table(
        title=f"Result on {findings.split}",
        caption=f"Mean over the tasks{_over(findings)}. Bold: the best mean, which need not be better by more than chance. Last row: "
        "chance for balanced accuracy and AUROC, always answering the majority for accuracy, always answering “present” for F1, the share "
        "of positives for average precision. Calibration error: lower is better.",
        corner="variant",
        heads=_heads(*(measure.name for measure in measures)),
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
        f"transfer ({DOWN} where there is any): tasks whose mean difference to stl, paired by seed, lies below {_HARM} standard errors "
        "(sd(d) / √S). Time: of a run, without computing the features; of stl, of the runs of all tasks together.",
        corner="variant",
        heads=_heads("to mtl, points", "95 % of resamples", "p (bootstrap)", "p (seeds)", "adjusted", "Δm, %", "negative transfer", "time"),
        rows=tuple(Row(name=one_line(variant.name), cells=tuple(_against(variant))) for variant in findings.variants),
    )


def _heads(*names: str) -> tuple[Head, ...]:
    return tuple(Head(name=name) for name in names)


def _against(variant: VariantFindings) -> Iterable[Cell]:
    difference = variant.overall.to_baseline or Difference(mean=None, standard_error=None)
    yield _cell(_points(difference))
    yield _cell(f"{points(difference.interval[0])} to {points(difference.interval[1])}" if difference.interval else NOT_MEASURED)
    for value in (difference.p_bootstrap, difference.p_seeds, difference.p_adjusted):
        yield _cell(p_text(value))
    yield _cell(_spread(variant.relative_gain, digits=2, signed=True))
    count = variant.num_suffering
    yield _cell(
        NOT_MEASURED if count is None else f"{count} of {sum(entry.suffers is not None for entry in variant.tasks)}",
        "harm" if count else None,
    )
    yield _cell(duration(variant.seconds.mean))


def _task_table(findings: Findings) -> Table:
    measure = measure_of(findings.metric)
    references = findings.references[findings.metric]
    rows = []
    for place, (task, *entries) in enumerate(_by_task(findings)):
        cells = _best(
            [entry.measures[findings.metric] for entry in entries], measure.better_when, [entry.num_constant for entry in entries]
        )
        rows.append(Row(name=one_line(task), cells=(*cells, _cell(number(references[place])))))
    return Table(
        title=f"{measure.name[0].upper()}{measure.name[1:]} per task",
        caption=f"On {findings.split}{_over(findings)}. Bold: the best mean of the row.",
        corner="task",
        heads=_heads(*(one_line(variant.name) for variant in findings.variants), "without a model"),
        rows=tuple(rows),
        ends_with_mean=True,
    )


def _baseline_table(findings: Findings) -> Table:
    compared = [variant for variant in findings.variants if variant.overall.to_baseline]
    rows = []
    for task, *entries in _by_task(findings, compared):
        differences = [entry.to_baseline or Difference(mean=None, standard_error=None) for entry in entries]
        texts = [text for known in differences for text in (_points(known), p_text(known.p_bootstrap), p_text(known.p_adjusted))]
        marks = [mark for known in differences for mark in (_beyond_chance(known), None, None)]
        rows.append(Row(name=one_line(task), cells=tuple(_cell(text, mark) for text, mark in zip(texts, marks, strict=True))))
    num_tests = len(findings.all_p())
    return Table(
        title="Difference to mtl per task",
        caption=f"In points of {findings.split} {measure_of(findings.metric).name}, ± one standard error; p of the paired bootstrap; and "
        f"the larger of it and the t-test's over seeds, adjusted (Holm) for all {num_tests} tests of this table. {UP}: above mtl, {DOWN}: "
        f"below mtl, adjusted p below {SIGNIFICANT}. The mean is adjusted for the variants only.",
        corner="task",
        heads=_heads(*(f"{one_line(variant.name)} {head}" for variant in compared for head in ("points", "p", "adjusted"))),
        rows=tuple(rows),
        ends_with_mean=True,
    )


def _single_table(findings: Findings) -> Table:
    compared = [variant for variant in findings.variants if variant.overall.to_single]
    rows = []
    for task, *entries in _by_task(findings, compared):
        cells = [_cell(_points(entry.to_single), "harm" if entry.suffers else None) for entry in entries]
        rows.append(Row(name=one_line(task), cells=tuple(cells)))
    return Table(
        title="Difference to stl per task",
        caption=f"In points of {findings.split} {measure_of(findings.metric).name}, ± one standard error over the seeds. {DOWN}: negative "
        f"transfer, below {_HARM} standard errors.",
        corner="task",
        heads=_heads(*(one_line(variant.name) for variant in compared)),
        rows=tuple(rows),
        ends_with_mean=True,
    )


def _by_task(findings: Findings, variants: Sequence[VariantFindings] | None = None) -> Iterable[tuple[str, *tuple[TaskFindings, ...]]]:
    """Yield each task's name and its findings of every variant, the mean last."""
    entries = [[*variant.tasks, variant.overall] for variant in (findings.variants if variants is None else variants)]
    for row in zip(*entries, strict=True):
        yield row[0].task, *row


def _best(spreads: Sequence[Spread], better_when: str, num_constant: Sequence[int]) -> list[Cell]:
    """Return the spreads as cells; the best mean is marked where there are several, and what has runs in it that never learned."""
    known = [spread.mean for spread in spreads if spread.mean is not None]
    best = (max if better_when == "higher" else min)(known, default=None)
    return [
        _cell(f"{_spread(spread)}{f' {CONSTANT}' if constant else ''}", "best" if len(known) > 1 and spread.mean == best else None)
        for spread, constant in zip(spreads, num_constant, strict=True)
    ]


def _beyond_chance(difference: Difference) -> Mark | None:
    """Return how a significant difference is marked."""
    if not difference.is_significant or not difference.mean:
        return None
    return "gain" if difference.mean > 0 else "harm"


def _cell(text: str, mark: Mark | None = None) -> Cell:
    """Return a number's cell; names, which may hold hyphens of their own, never pass here."""
    return Cell(text=with_minus(text), mark=mark)


def _spread(spread: Spread | None, digits: int = 3, *, signed: bool = False) -> str:
    if spread is None or spread.mean is None:
        return NOT_MEASURED
    # What rounds to zero has no sign.
    mean = 0.0 if round(spread.mean, digits) == 0 else spread.mean
    sign = "+" if signed and mean > 0 else ""
    deviation = f" ± {number(spread.deviation, digits)}" if spread.deviation is not None else ""
    return f"{sign}{number(mean, digits)}{deviation}"


def _points(difference: Difference | None) -> str:
    if difference is None or difference.mean is None:
        return NOT_MEASURED
    error = f" ± {points(difference.standard_error, signed=False)}" if difference.standard_error is not None else ""
    return f"{points(difference.mean)}{error}"


def _over(findings: Findings) -> str:
    seeds = findings.seeds
    over = f", mean ± standard deviation over {len(seeds)} seeds" if len(seeds) > 1 else ", one seed"
    has_constant = any(variant.num_constant_runs for variant in findings.variants)
    return f"{over}. {CONSTANT}: with runs that answer every image alike" if has_constant else over
