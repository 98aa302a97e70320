"""A whole comparison: plan, runs, findings, report."""

from engine.command_line import to_yaml
from engine.compare.arguments import Settings
from engine.compare.assess import assess
from engine.compare.campaign import train_all, without_results
from engine.compare.console import open_display
from engine.compare.masks import drawn_masks
from engine.compare.options import CompareOptions
from engine.compare.outputs import write_outputs
from engine.compare.plan import RUNS, make_plan
from engine.compare.plots import make_plots
from engine.compare.results import read_results
from shards.command import one_line
from shards.errors import DivergenceError
from shards.storage.lock import lock_folder


def run_comparison(options: CompareOptions, settings: Settings) -> None:
    """Train what is not there yet, and write the report.

    Args:
        options: The comparison's own options.
        settings: Settings of all runs.

    Raises:
        DivergenceError: Runs diverged; the others are compared first.
        DropstreamError: Whatever else the user can mend; see `shards.errors`.
    """
    plan = make_plan(options, settings)
    display = open_display()
    with lock_folder(options.out, work="comparison"):
        try:
            lost = without_results(train_all(plan, display))
        finally:
            display.close()
        plan = plan.without(lost)
        if not plan.variants:
            raise DivergenceError(f"{'; '.join(lost.values())}; nothing is left to compare")
        findings = assess(plan, read_results(plan), options.metric, options.bootstrap, lost=tuple(lost.values()))
        first_runs = {variant.name: next(run for run in plan.runs if run.variant == variant) for variant in plan.variants}
        masks = {variant.name: drawn_masks(first_runs[variant.name]) for variant in findings.variants if variant.drops}
        paths = write_outputs(options.out, findings, make_plots(findings, masks), to_yaml(plan.runs[0].config))
        display.end(findings, paths)
    if lost:
        names = ", ".join(one_line(variant.name) for variant in lost)
        what = f"change their settings and remove their folders in {options.out / RUNS}, or leave them out"
        raise DivergenceError(f"{names} diverged; {what}")
