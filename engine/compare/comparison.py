"""Which runs a comparison consists of, and the configuration of each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from engine.command_line import parse
from engine.compare.arguments import Setting, Settings, to_flags
from engine.compare.options import CompareOptions
from engine.compare.variant import Variant, safe_name
from engine.config import Config, ModelConfig, scheduler_settings
from engine.data import open_data
from shards.errors import ConfigurationError

RUNS = "runs"
"""Folder of the runs inside the comparison's."""
_BALANCER = "loss.balancer"
WEIGHTS_SEED = "model.weights_seed"
_MEASURED = Path("measured in this comparison")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRun:
    """One run."""

    variant: Variant
    """What it is a run of."""
    seed: int
    """Its seed."""
    task: str | None
    """The only task of a single-task run; untrusted text."""
    config: Config
    """Its configuration; `run.if_exists` is not decided yet."""

    @property
    def name(self) -> str:
        """Return what it is called while it trains."""
        return f"{self.variant.name} seed {self.seed}" + (f" {self.task}" if self.task else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All runs of a comparison."""

    variants: tuple[Variant, ...]
    """In the order of the report."""
    seeds: tuple[int, ...]
    """The same for every variant."""
    tasks: tuple[str, ...]
    """The tasks of every variant; untrusted text."""
    runs: tuple[PlannedRun, ...]
    """In the order of training: seed by seed, so that a comparison cut short has the same seeds of every variant, and a run whose
    mean P another one needs before that one."""

    def baseline(self, variant: Variant, scheduler: str) -> Variant | None:
        """Return the variant of a scheduler that another one is compared with: of the same value of what is swept, or the only one.

        None if the comparison has no such variant.
        """
        candidates = [known for known in self.variants if known.scheduler == scheduler and known.balancer is None]
        same = [known for known in candidates if known.sweep == variant.sweep]
        return next(iter(same or [known for known in candidates if known.sweep is None]), None)

    def without(self, variants: Collection[Variant]) -> "Comparison":
        """Return the plan without some variants."""
        return replace(
            self,
            variants=tuple(variant for variant in self.variants if variant not in variants),
            runs=tuple(run for run in self.runs if run.variant not in variants),
        )


def plan_comparison(options: CompareOptions, settings: Settings) -> Comparison:
    """Return the runs.

    Args:
        options: The comparison's own options.
        settings: Settings of all runs.

    Raises:
        ConfigurationError: A setting is wrong, has no effect in any run, or the comparison lacks what one of its variants needs.
        DataError: The data set cannot be opened (it is only when `data.tasks` is `all`).
    """
    variants = tuple(_variants(options, settings))
    _check_effects(variants, options, settings)
    configs = {variant: _variant_config(variant, options, settings) for variant in variants}
    _check_different(configs)
    first = configs[variants[0]]
    tasks = open_data(first.data).tasks.names if first.data.tasks == ("all",) else first.data.tasks
    seeds = tuple(range(options.first_seed, options.first_seed + options.seeds))
    in_order = sorted(variants, key=lambda variant: variant.scheduler == "static")
    runs = tuple(run for seed in seeds for variant in in_order for run in _runs(variant, seed, configs[variant], tasks, options.out))
    return Comparison(variants=variants, seeds=seeds, tasks=tasks, runs=runs)


def takes(scheduler: str, key: str) -> bool:
    """Return whether a setting has an effect on the runs of a scheduler.

    >>> takes("random", "scheduler.rate"), takes("mtl", "scheduler.rate"), takes("mtl", "optimizer.lr")
    (True, False, True)
    """
    section, _, field = key.partition(".")
    if section == "scheduler":
        return field in scheduler_settings(scheduler)
    # A single task has nothing to be balanced with.
    return not (key == _BALANCER and scheduler == "stl")


def _variants(options: CompareOptions, settings: Settings) -> Iterator[Variant]:
    key, *values = options.sweep or ("",)
    measured = "static" in options.schedulers and not {"scheduler.weights", "scheduler.weights_of"} & set(settings)
    if measured and "dst" not in options.schedulers:
        raise ConfigurationError("static takes its weights from dst, which --schedulers lacks; add dst, or give scheduler.weights")
    plain = [Variant(scheduler=scheduler) for scheduler in options.schedulers]
    for variant in [*plain, *(Variant(scheduler="mtl", balancer=balancer) for balancer in options.balancers)]:
        # Static weights follow the runs they are measured on.
        varies = values and (takes(variant.scheduler, key) or (variant.scheduler == "static" and measured and takes("dst", key)))
        yield from (replace(variant, sweep=(key, value)) for value in values) if varies else (variant,)


def _check_effects(variants: Sequence[Variant], options: CompareOptions, settings: Settings) -> None:
    swept = options.sweep[0] if options.sweep else None
    if swept and not any(variant.sweep for variant in variants):
        raise ConfigurationError(f"--sweep {swept} has no effect with --schedulers {' '.join(options.schedulers)}")
    if options.balancers and _BALANCER in settings:
        raise ConfigurationError(f"{_BALANCER} is set, and --balancers compares balancers with training without; leave one of them out")
    for name, setting in settings.items():
        if setting.is_flag and (name == swept or not any(takes(variant.scheduler, name) for variant in variants)):
            why = "--sweep gives it other values" if name == swept else f"none of {', '.join(options.schedulers)} has a use for it"
            raise ConfigurationError(f"--{name} has no effect: {why}; leave it out")


def _check_different(configs: Mapping[Variant, Config]) -> None:
    """Refuse variants that are one and the same: 0.1 and 0.10."""
    for one, other in combinations(configs, 2):
        if configs[one] == configs[other]:
            raise ConfigurationError(f"{one.name} and {other.name} are the same; leave one of them out")


def _variant_config(variant: Variant, options: CompareOptions, settings: Settings) -> Config:
    """Return the configuration that all runs of a variant share, parsed once: parsing takes a while."""
    own = {"run.dir": str(options.out), "scheduler.name": variant.scheduler, "report.console": "quiet"}
    if "report.page" not in settings:
        # Drawing a page takes as long as training from features; tools/report draws any run's afterwards.
        own["report.page"] = "False"
    if variant.balancer:
        own[_BALANCER] = variant.balancer
    if _shares_trunk(settings):
        own[WEIGHTS_SEED] = str(options.first_seed)
    if variant.sweep and takes(variant.scheduler, variant.sweep[0]):
        own[variant.sweep[0]] = variant.sweep[1]
    if _measured(variant, settings):
        # Of each seed's own run of this variant; its folder is told run by run.
        own["scheduler.weights_of"] = str(_MEASURED / replace(variant, scheduler="dst").folder)
    used = {name: setting for name, setting in settings.items() if takes(variant.scheduler, name)}
    try:
        return parse(to_flags(used | {name: Setting(words=(word,), is_flag=False) for name, word in own.items()}))
    except ConfigurationError as error:
        raise ConfigurationError(f"{variant.name}: {error}") from error


def _shares_trunk(settings: Settings) -> bool:
    """Return whether nothing is said of a random trunk that is not trained: it is then drawn once for all seeds."""
    said = {name: setting.words[:1] for name, setting in settings.items()}
    frozen = said.get("model.train_from", ("heads",)) == ("heads",)
    return frozen and said.get("model.weights") == ("none",) and WEIGHTS_SEED not in said


def _measured(variant: Variant, settings: Settings) -> bool:
    return variant.scheduler == "static" and not {"scheduler.weights", "scheduler.weights_of"} & set(settings)


def _runs(variant: Variant, seed: int, config: Config, tasks: Sequence[str], out: Path) -> Iterator[PlannedRun]:
    folder = out / RUNS / variant.folder / f"seed-{seed}"
    if variant.scheduler != "stl":
        run = replace(config.run, dir=folder, seed=seed)
        scheduler = config.scheduler
        if scheduler.weights_of is not None and scheduler.weights_of.parent == _MEASURED:
            scheduler = replace(scheduler, weights_of=out / RUNS / scheduler.weights_of.name / f"seed-{seed}")
        yield PlannedRun(variant=variant, seed=seed, task=None, config=replace(config, run=run, scheduler=scheduler))
        return
    for task in tasks:
        run = replace(config.run, dir=folder / safe_name(task), seed=seed)
        yield PlannedRun(variant=variant, seed=seed, task=task, config=replace(single_task(config, task), run=run))


def single_task(config: Config, task: str) -> Config:
    """Return the configuration with one task only, and of the settings per task those of that task."""
    model = config.model
    tap = model.task_taps.get(task, model.tap)
    model = replace(
        model,
        task_taps={name: stage for name, stage in model.task_taps.items() if name == task},
        task_hidden={name: widths for name, widths in model.task_hidden.items() if name == task},
        # What only other tasks have a use for would be refused as having no effect.
        hidden=ModelConfig().hidden if task in model.task_hidden else model.hidden,
        tap=ModelConfig().tap if task in model.task_taps else model.tap,
        tap_grid=model.tap_grid if tap.startswith(("conv", "pool")) else 1,
    )
    return replace(config, data=replace(config.data, tasks=(task,)), model=model)
