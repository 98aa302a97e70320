"""What the comparison found: every number of the report, and their JSON twin."""

import dataclasses
import json
from dataclasses import dataclass

from engine.journal.records import RunRecord

SIGNIFICANT = 0.05
"""Adjusted p-values below this are called a difference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A number over the seeds."""

    mean: float | None
    """Mean; None where a seed lacks the number."""
    deviation: float | None
    """Sample standard deviation; None with one seed."""
    values: tuple[float | None, ...]
    """One per seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How far a variant lies above another one, with the same seeds and test samples; higher is better."""

    mean: float | None
    """Mean over the seeds."""
    standard_error: float | None
    """Standard error of that mean, sd(d) / √S; None with one seed."""
    interval: tuple[float, float] | None = None
    """Where 95 % of the bootstrap's differences lie; None without a test split."""
    p_bootstrap: float | None = None
    """Two-sided p-value of the paired bootstrap over seeds and test samples; None without a test split."""
    p_seeds: float | None = None
    """Two-sided p-value of the paired t-test over seeds; None with one seed."""
    p: float | None = None
    """The larger of the two, None unless the seeds can be tested: with few seeds the bootstrap alone calls too much a difference."""
    p_adjusted: float | None = None
    """`p` after Holm's correction: the mean's over all variants, a task's over all tasks of all variants."""

    @property
    def is_significant(self) -> bool:
        """Return whether it is beyond chance."""
        return self.p_adjusted is not None and self.p_adjusted < SIGNIFICANT


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFindings:
    """What a variant came to on one task, or on the mean over the tasks."""

    task: str
    """Its name; untrusted text."""
    measures: dict[str, Spread]
    """Measure, by the name of its field in `TaskMetrics` -> its value."""
    to_single: Difference | None
    """Against single-task training; None without it, and for itself. Of the mean: without the tasks that either has a constant run of."""
    suffers: bool | None
    """Negative transfer: the mean difference to single-task training is below -2 standard errors. None where that cannot be said."""
    to_baseline: Difference | None
    """Against plain multitask learning; None without it, and for itself."""
    num_constant: int
    """Seeds in which every image got the same answer; of the mean, in which any task's images did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantFindings:
    """What a variant came to."""

    name: str
    """Its name."""
    folder: str
    """Folder of its runs, relative to the comparison's."""
    scheduler: str
    """Its scheduler."""
    balancer: str | None
    """Its balancer, where balancers are compared."""
    tasks: tuple[TaskFindings, ...]
    """One entry per task."""
    overall: TaskFindings
    """The mean over the tasks."""
    baseline: str | None
    """Name of the `mtl` that it is compared with."""
    single: str | None
    """Name of the `stl` that it is compared with."""
    relative_gain: Spread | None
    """Δm in percent; None without single-task training, and for itself."""
    num_runs: int
    """Its runs."""
    num_constant_runs: int
    """Those that give every image the same answer, on one task at least."""
    num_suffering: int | None
    """Tasks with negative transfer; None where that cannot be said."""
    seconds: Spread
    """Wall time of a run; of single-task training, of the runs of all tasks together."""
    val_epochs: tuple[int, ...]
    """Epochs, from 0, after which it was evaluated on val."""
    val: tuple[tuple[float | None, ...], ...]
    """The chosen measure on val, mean over the tasks: one row per seed, one value per epoch."""
    probabilities: tuple[tuple[float, ...], ...]
    """P(k, t), mean over the seeds: one row per epoch, one value per task."""
    mean_probability: float | None
    """Mean P over epochs, tasks and seeds."""
    drops_tasks: bool
    """Whether its scheduler leaves tasks out of steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What the comparison found. Its JSON twin is `results.json`."""

    metric: str
    """The measure that differences are about, by the name of its field in `TaskMetrics`."""
    split: str | None
    """Split that was evaluated: `test`, or `val` where there is no test split."""
    num_samples: int | None
    """Samples of that split."""
    seeds: tuple[int, ...]
    """The seeds."""
    tasks: tuple[str, ...]
    """Task names; untrusted text."""
    references: dict[str, tuple[float | None, ...]]
    """Measure -> what somebody scores who knows nothing of the images, per task, the mean over the tasks last."""
    variants: tuple[VariantFindings, ...]
    """One entry per variant."""
    num_resamples: int
    """Resamples of the bootstrap."""
    num_skipped: int
    """Most damaged samples that a run has left out."""
    is_uniform: bool
    """Whether all runs were made by the same versions on the same kind of device."""
    lost: tuple[str, ...]
    """What happened to variants that have no results, a sentence each."""
    run: RunRecord
    """What one of the runs is, as an example."""

    def variant(self, name: str) -> VariantFindings:
        """Return a variant by its name."""
        return next(variant for variant in self.variants if variant.name == name)

    def all_p(self) -> list[float]:
        """Return the p-values of single tasks that are known, before any correction."""
        found = [entry.to_baseline.p for variant in self.variants for entry in variant.tasks if entry.to_baseline]
        return [value for value in found if value is not None]


def findings_json(findings: Findings) -> str:
    """Return the findings as indented JSON; NaN is refused with a ValueError."""
    return json.dumps(dataclasses.asdict(findings), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
