"""All runs of a comparison, one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.compare.console import Display
from engine.compare.execute import Executor
from engine.compare.plan import Plan, PlannedRun
from engine.compare.present import state_of
from engine.compare.variant import Variant
from engine.report.journal import read_history
from shards.command import one_line
from shards.errors import DivergenceError, DropstreamError, Interrupted


@dataclass(frozen=True, kw_only=True, slots=True)
class LostRun:
    """A run without a result."""

    run: PlannedRun
    """The run."""
    reason: str
    """Why; untrusted text."""


def train_all(plan: Plan, display: Display, data: str) -> list[LostRun]:
    """Train every run that is not finished yet; what stands is looked at before the first one starts.

    Args:
        plan: The comparison.
        display: Told of each run.
        data: What tells the data set from others.

    Returns:
        The runs that diverged, and those that take their weights from one of them. The others have been trained.

    Raises:
        ConfigurationError: A folder holds a run with other settings or of other data.
        Interrupted: A signal came; the same command goes on.
        DropstreamError: A run failed otherwise; the message names it.
    """
    states = [state_of(run, data) for run in plan.runs]
    executor = Executor()
    lost = [LostRun(run=run, reason=_told(run)) for run, state in zip(plan.runs, states, strict=True) if state == "diverged"]
    display.begin(len(plan.runs), num_present=states.count("finished") + len(lost))
    for number, (run, state) in enumerate(zip(plan.runs, states, strict=True), start=1):
        if state in ("finished", "diverged"):
            continue
        display.start(number, run, resumes=state == "unfinished")
        source = next((other.run for other in lost if other.run.config.run.dir == run.config.scheduler.weights_of), None)
        if source is not None:
            lost.append(LostRun(run=run, reason=f"{source.name}, whose mean P it would take, diverged"))
            display.failed(number, run, "left out")
            continue
        try:
            executor.execute(replace(run.config, run=replace(run.config.run, if_exists="resume" if state == "unfinished" else "refuse")))
        except Interrupted as error:
            raise Interrupted(f"stopped by a signal in {run.name}; the same command goes on") from error
        except DivergenceError as error:
            lost.append(LostRun(run=run, reason=str(error)))
            display.failed(number, run, "diverged")
        except DropstreamError as error:
            raise type(error)(f"{run.name}: {error}") from error
        else:
            display.done(number, run)
    return lost


def without_results(lost: Sequence[LostRun]) -> dict[Variant, str]:
    """Return the variants that have lost a run -> what happened, in words."""
    variants = dict.fromkeys(entry.run.variant for entry in lost)
    return {variant: _in_words([entry for entry in lost if entry.run.variant == variant]) for variant in variants}


def _in_words(lost: Sequence[LostRun]) -> str:
    first, more = lost[0], len(lost) - 1
    have = f"and {more} more have" if more else "has"
    return one_line(f"{first.run.variant.name} is left out: {first.run.name} {have} no result ({first.reason})")


def _told(run: PlannedRun) -> str:
    return read_history(run.config.run.dir).ends[-1].detail
