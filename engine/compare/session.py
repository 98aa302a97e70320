"""A whole comparison: plan, runs, findings, report."""

from collections.abc import Iterator
from dataclasses import replace

from engine.command_line import to_yaml
from engine.compare.arguments import Settings
from engine.compare.assess import assess
from engine.compare.campaign import train_all, without_results
from engine.compare.comparison import RUNS, WEIGHTS_SEED, Comparison, PlannedRun, plan_comparison
from engine.compare.console import open_display
from engine.compare.options import CompareOptions
from engine.compare.outputs import check_folder, write_outputs
from engine.compare.plots import make_plots
from engine.compare.results import read_results
from engine.config import Config
from engine.data import Data, open_data
from engine.journal.history import read_history
from engine.journal.masks import Masks
from engine.loop.balance.check import check_libraries
from engine.loop.features.space import feature_bytes
from engine.show.words import memory
from shards.command import one_line
from shards.errors import DataError, DivergenceError
from shards.storage.lock import lock_folder

_PATIENCE_SECONDS = 600.0
"""For another process that writes the report."""


def run_comparison(options: CompareOptions, settings: Settings) -> None:
    """Train what is not there yet, and write the report.

    Args:
        options: The comparison's own options.
        settings: Settings of all runs.

    Raises:
        DivergenceError: Runs diverged; the others are compared first.
        DropstreamError: Whatever else the user can mend; see `shards.errors`.
    """
    plan = plan_comparison(options, settings)
    check_folder(options.out)
    for run in plan.runs:
        check_libraries(run.config.loss.balancer)
    data = _data_of(plan)
    for line in _told_before(plan, settings, data):
        print(one_line(line), flush=True)
    display = open_display()
    try:
        lost = without_results(train_all(plan, display, data.in_words()))
    finally:
        display.close()
    plan = plan.without(lost)
    if not plan.variants:
        raise DivergenceError(f"{'; '.join(lost.values())}; nothing is left to compare")
    # Processes that share the runs come to their end at the same time; each writes the report, one after another.
    with lock_folder(options.out, work="comparison", wait_seconds=_PATIENCE_SECONDS):
        findings = assess(plan, read_results(plan), options.metric, options.bootstrap, lost=tuple(lost.values()))
        first_runs = {variant.name: next(run for run in plan.runs if run.variant == variant) for variant in plan.variants}
        masks = {variant.name: _trained_tasks(first_runs[variant.name]) for variant in findings.variants if variant.drops_tasks}
        paths = write_outputs(options.out, findings, make_plots(findings, masks), to_yaml(plan.runs[0].config))
    display.end(findings, paths)
    if lost:
        names = ", ".join(one_line(variant.name) for variant in lost)
        what = f"change their settings and remove their folders in {options.out / RUNS}, or leave them out"
        raise DivergenceError(f"{names} diverged; {what}")


def _told_before(plan: Comparison, settings: Settings, data: Data) -> Iterator[str]:
    """Yield what should be known before anything is computed."""
    config = plan.runs[0].config
    if WEIGHTS_SEED not in settings and config.model.weights_seed is not None:
        yield (
            f"all seeds share one random trunk ({WEIGHTS_SEED} {config.model.weights_seed}); --{WEIGHTS_SEED} None draws one for each seed"
        )
    sets = _feature_sets(plan)
    if sets:
        trunks = f" of {len(sets)} trunks" if len(sets) > 1 else ""
        needed = memory(sum(feature_bytes(known, data) for known in sets))
        yield f"features{trunks} take {needed} in {config.features.dir}; what is there is not computed again"


def _feature_sets(plan: Comparison) -> list[Config]:
    """Return a configuration for each set of features: trunks are drawn by the runs' seeds, or one is swept over."""
    found = dict[tuple[object, ...], Config]()
    for run in plan.runs:
        model = run.config.model
        if run.config.features.dir is not None and run.task in (None, plan.tasks[0]):
            seed = run.seed if model.weights == "none" and model.weights_seed is None else None
            found[model.trunk, model.weights, model.tap, model.tap_grid, seed] = run.config
    return list(found.values())


def _trained_tasks(run: PlannedRun) -> Masks:
    folder = run.config.run.dir
    try:
        return read_history(folder).trained_tasks()
    except ValueError as error:
        raise DataError(f"{folder}: {error}; remove the folder to train the run anew") from error


def _data_of(plan: Comparison) -> Data:
    """Open the data of all runs.

    Raises:
        DataError: The data set is damaged, or has nothing to evaluate on.
        ConfigurationError: A task is none of its attributes.
    """
    data = open_data(replace(plan.runs[0].config.data, tasks=plan.tasks))
    if not any(len(data.ids[split]) for split in ("val", "test")):
        raise DataError(
            "the data set has neither val nor test samples, so there is nothing to compare; pack it with a split of either kind, into "
            "another folder"
        )
    return data
