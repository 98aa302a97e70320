"""The comparison as one page that needs nothing else: styles and plots are inside it."""

from collections.abc import Sequence

from engine.compare.findings import SIGNIFICANT, Findings
from engine.compare.markdown import full_stop
from engine.compare.plots import Plot
from engine.compare.statistics import HARM_BELOW, false_alarm_rate
from engine.compare.tables import with_minus
from engine.compare.verdict import notes, verdict
from engine.show.colours import DARK_SERIES, WHITE, series_css
from engine.show.page import render
from engine.show.tables import Table
from engine.show.words import Facts, count, number
from shards.command import one_line


def page(findings: Findings, tables: Sequence[Table], plots: Sequence[Plot], *, title: str, config: str) -> str:
    """Return the page.

    Args:
        findings: What was found.
        tables: Its tables.
        plots: Its plots.
        title: What the comparison is called; untrusted text.
        config: Configuration of one of the runs, shown folded.
    """
    return render(
        "engine.compare",
        "compare.html.j2",
        title=title,
        kind="comparison",
        subtitle=_subtitle(findings),
        verdict=verdict(findings),
        notes=[full_stop(note) for note in notes(findings)],
        tables=tables,
        plots=plots,
        light_series=series_css(WHITE.series),
        dark_series=series_css(DARK_SERIES),
        definitions=_definitions(findings),
        facts=_facts(findings),
        config=config,
        config_title="Configuration of one run",
    )


def _subtitle(findings: Findings) -> str:
    parts = [(len(findings.variants), "variant"), (len(findings.seeds), "seed"), (len(findings.tasks), "task")]
    said = [f"{number_of} {name}{'s' if number_of > 1 else ''}" for number_of, name in parts]
    return " · ".join([*said, f"{count(findings.num_samples)} {findings.split} images"])


def _definitions(findings: Findings) -> Facts:
    harm = with_minus(f"{HARM_BELOW:g}")
    rate = false_alarm_rate(len(findings.seeds))
    chance = f" With {len(findings.seeds)} seeds a task without any effect is counted with a chance of {number(rate)}." if rate else ""
    return [
        ("difference", f"A variant differs from mtl if the adjusted p of its mean over the tasks is below {SIGNIFICANT}."),
        (
            "p (bootstrap)",
            f"{count(findings.num_resamples)} resamples with replacement of the seeds, and of the test samples, the same for both "
            "variants, all seeds and all tasks. p = 2 · min(share of differences ≤ 0, share ≥ 0), each share with the data themselves as "
            "one more resample (Efron and Tibshirani 1993; Koehn 2004).",
        ),
        (
            "p (seeds)",
            "Paired t-test of the differences seed by seed. With few seeds the bootstrap alone calls too much a difference, for it draws "
            "from the few; the t-test knows nothing of the test samples. Only the larger p counts.",
        ),
        ("adjusted", "Holm's correction (1979) for the number of tests: of the mean, one per variant; of tasks, one per variant and task."),
        ("Δm", "100 % / T · Σ (M − STL) / STL over the tasks, per seed (Maninis et al. 2019; Vandenhende et al. 2021)."),
        (
            "negative transfer",
            f"The mean difference of a task to stl is below {harm} standard errors, sd(d) / √S over the S seeds, d paired by seed.{chance}",
        ),
    ]


def _facts(findings: Findings) -> Facts:
    run = findings.run
    return [
        ("model", one_line(run.model)),
        ("device", f"{one_line(run.device)} · precision {'float32' if run.precision == 'no' else run.precision}"),
        ("training", f"batch {count(run.global_batch_size)} · {run.epochs} epochs of {count(run.steps_per_epoch)} steps"),
        ("images", " · ".join(f"{one_line(split)} {count(size)}" for split, size in run.split_sizes.items())),
        ("seeds", ", ".join(str(seed) for seed in findings.seeds)),
        ("runs", ", ".join(one_line(variant.folder) for variant in findings.variants)),
        ("versions", ", ".join(f"{one_line(name)} {one_line(version)}" for name, version in run.versions.items())),
    ]
