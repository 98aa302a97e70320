"""From what the runs left to what the comparison found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.compare.bootstrap import Measure, Resamples, interval, p_value
from engine.compare.comparison import RUNS, Comparison
from engine.compare.findings import Difference, Findings, Spread, TaskFindings, VariantFindings
from engine.compare.measures import MEASURES
from engine.compare.results import VariantResults
from engine.compare.statistics import Table, deviation_of, holm, mean_of, over_tasks, relative_gain, seeds_p, standard_error, suffers
from engine.compare.variant import Variant
from engine.journal.records import RunRecord

MEAN = "mean of tasks"


def assess(
    plan: Comparison, results: Sequence[VariantResults], metric: Measure, num_resamples: int, *, lost: tuple[str, ...] = ()
) -> Findings:
    """Return what the comparison found.

    Args:
        plan: The comparison.
        results: What its runs left, one entry per variant, in the plan's order.
        metric: The measure that differences are about.
        num_resamples: Resamples of the bootstrap.
        lost: What happened to variants that have no results, a sentence each.
    """
    by_variant = {entry.variant: entry for entry in results}
    baselines = {variant: plan.baseline(variant, "mtl") for variant in plan.variants}
    resamples = _resamples(plan, results, metric, num_resamples)
    found = []
    for place, variant in enumerate(plan.variants):
        baseline, single = (_other(variant, other) for other in (baselines[variant], plan.baseline(variant, "stl")))
        drawn = resamples.differences(place, plan.variants.index(baseline)) if resamples and baseline else None
        differences = _differences(by_variant[variant], by_variant[baseline], metric, drawn) if baseline else None
        found.append(_variant(by_variant[variant], by_variant[single] if single else None, metric, differences, baseline))
    outcomes = [outcome for entry in results for outcome in entry.outcomes]
    first = outcomes[0]
    records = [record for outcome in outcomes for record in outcome.records]
    return Findings(
        metric=metric,
        split=first.split,
        num_samples=records[0].split_sizes.get(first.split) if first.split else None,
        seeds=plan.seeds,
        tasks=plan.tasks,
        references={measure.field: _with_mean([measure.reference(entry) for entry in first.metrics]) for measure in MEASURES},
        variants=_adjusted(found),
        num_resamples=num_resamples,
        num_skipped=max(outcome.num_skipped for outcome in outcomes),
        is_uniform=_is_uniform(records),
        lost=lost,
        run=records[0],
    )


def _is_uniform(records: Sequence[RunRecord]) -> bool:
    """Return whether the runs were made on the same kind of device, by the same versions of what they have in common."""
    versions = {(name, version) for record in records for name, version in record.versions.items()}
    return len({record.device for record in records}) == 1 and len(versions) == len({name for name, _ in versions})


def _other(variant: Variant, other: Variant | None) -> Variant | None:
    return None if other == variant else other


def _resamples(plan: Comparison, results: Sequence[VariantResults], metric: Measure, num_resamples: int) -> Resamples | None:
    """Return the bootstrap over all variants, None without test answers or without anything to compare."""
    answers = [known for entry in results if (known := entry.answers()) is not None]
    labels = results[0].outcomes[0].labels
    has_pairs = any(plan.baseline(variant, "mtl") not in (None, variant) for variant in plan.variants)
    if labels is None or not has_pairs or not len(labels):
        return None
    return Resamples(answers, labels, metric, num_resamples=num_resamples)


def _differences(entry: VariantResults, baseline: VariantResults, metric: Measure, drawn: Table | None) -> list[Difference]:
    """Return one difference per task, that of the mean over the tasks last; none of a task that a run of either never learned."""
    kept = _learned(entry, baseline)
    table, other = (its.table(metric)[:, kept] for its in (entry, baseline))
    if drawn is not None and not kept.all():
        drawn = np.column_stack([drawn[:, :-1][:, kept], over_tasks(drawn[:, :-1][:, kept])])
    seen = np.column_stack([table - other, over_tasks(table) - over_tasks(other)])
    *tasks, mean = [_difference(column, None if drawn is None else drawn[:, place]) for place, column in enumerate(seen.T)]
    known = iter(tasks)
    return [*(next(known) if learned else Difference(mean=None, standard_error=None) for learned in kept.tolist()), mean]


def _learned(entry: VariantResults, other: VariantResults) -> NDArray[np.bool_]:
    """Return [T]: whether no run of two variants gives every image the same answer.

    Nothing is claimed of the other tasks: the luck of a start that never learned would pass for the effect of what is compared.
    """
    return np.logical_not(np.any(entry.constant() | other.constant(), axis=0))


def _difference(seen: Table, drawn: Table | None) -> Difference:
    if mean_of(seen) is None:
        return Difference(mean=None, standard_error=None)
    by_seeds, by_bootstrap = seeds_p(seen), None if drawn is None else p_value(drawn)
    return Difference(
        mean=mean_of(seen),
        standard_error=standard_error(seen),
        interval=None if drawn is None else interval(drawn),
        p_bootstrap=by_bootstrap,
        p_seeds=by_seeds,
        p=None if by_seeds is None else max(by_seeds, by_bootstrap or 0.0),
    )


def _variant(
    entry: VariantResults, single: VariantResults | None, metric: Measure, differences: list[Difference] | None, baseline: Variant | None
) -> VariantFindings:
    table = entry.table(metric)
    other = single.table(metric) if single else None
    kept = _learned(entry, single) if single else np.ones(table.shape[1], np.bool_)
    harmed = suffers(table, other) if other is not None else [None] * table.shape[1]
    harmed = [value if learned else None for value, learned in zip(harmed, kept.tolist(), strict=True)]
    constant = entry.constant()
    measured = {measure.field: entry.table(measure.field) for measure in MEASURES}
    tasks = [
        TaskFindings(
            task=metrics.task,
            measures={field: _spread(values[:, place]) for field, values in measured.items()},
            to_single=_difference_to(table[:, place], other[:, place], known=bool(kept[place])) if other is not None else None,
            suffers=harmed[place],
            to_baseline=differences[place] if differences else None,
            num_constant=int(constant[:, place].sum()),
        )
        for place, metrics in enumerate(entry.outcomes[0].metrics)
    ]
    overall = TaskFindings(
        task=MEAN,
        measures={field: _spread(over_tasks(values)) for field, values in measured.items()},
        to_single=_difference_to(over_tasks(table[:, kept]), over_tasks(other[:, kept])) if other is not None else None,
        suffers=None,
        to_baseline=differences[-1] if differences else None,
        num_constant=int(constant.any(1).sum()),
    )
    is_single = entry.variant.scheduler == "stl"
    known = [value for value in harmed if value is not None]
    probabilities = np.mean([outcome.probabilities for outcome in entry.outcomes], axis=0)
    epochs = tuple(sorted(entry.outcomes[0].val))
    val = [over_tasks(entry.val_table(metric, epoch)) for epoch in epochs]
    return VariantFindings(
        name=entry.variant.name,
        folder=f"{RUNS}/{entry.variant.folder}",
        scheduler=entry.variant.scheduler,
        balancer=entry.variant.balancer,
        tasks=tuple(tasks),
        overall=overall,
        baseline=baseline.name if baseline else None,
        single=single.variant.name if single else None,
        relative_gain=_spread(relative_gain(table[:, kept], other[:, kept])) if other is not None else None,
        num_runs=constant.size if is_single else len(constant),
        num_constant_runs=int(constant.sum() if is_single else constant.any(1).sum()),
        num_suffering=sum(known) if known else None,
        seconds=_spread(np.array([np.nan if outcome.seconds is None else outcome.seconds for outcome in entry.outcomes])),
        val_epochs=epochs,
        val=tuple(tuple(_plain(values[seed]) for values in val) for seed in range(len(entry.outcomes))),
        probabilities=tuple(tuple(row) for row in probabilities.tolist()),
        mean_probability=float(probabilities.mean()) if probabilities.size else None,
        drops_tasks=entry.outcomes[0].records[0].drops_tasks,
    )


def _difference_to(values: Table, other: Table, *, known: bool = True) -> Difference:
    if not known:
        return Difference(mean=None, standard_error=None)
    return Difference(mean=mean_of(values - other), standard_error=standard_error(values - other))


def _spread(values: Table) -> Spread:
    return Spread(mean=mean_of(values), deviation=deviation_of(values), values=tuple(_plain(value) for value in values))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _with_mean(values: Sequence[float | None]) -> tuple[float | None, ...]:
    known = [value for value in values if value is not None]
    return (*values, sum(known) / len(known) if known else None)


def _adjusted(found: Sequence[VariantFindings]) -> tuple[VariantFindings, ...]:
    """Return the variants with Holm's correction: of the means over the variants, of the tasks over all tasks of all variants."""
    means = holm([variant.overall.to_baseline.p if variant.overall.to_baseline else None for variant in found])
    tasks = iter(holm([entry.to_baseline.p if entry.to_baseline else None for variant in found for entry in variant.tasks]))
    return tuple(
        replace(variant, overall=_with_p(variant.overall, mean), tasks=tuple(_with_p(entry, next(tasks)) for entry in variant.tasks))
        for variant, mean in zip(found, means, strict=True)
    )


def _with_p(entry: TaskFindings, p_adjusted: float | None) -> TaskFindings:
    if entry.to_baseline is None:
        return entry
    return replace(entry, to_baseline=replace(entry.to_baseline, p_adjusted=p_adjusted))
