"""All runs of a comparison, one after another."""

from dataclasses import replace

from engine.compare.console import Display
from engine.compare.execute import Executor
from engine.compare.plan import Plan
from engine.compare.present import state_of
from shards.errors import DivergenceError, DropstreamError, Interrupted


def train_all(plan: Plan, display: Display) -> None:
    """Train every run that is not finished yet; what stands is looked at before the first one starts.

    Raises:
        ConfigurationError: A folder holds a run with other settings.
        Interrupted: A signal came; the same command goes on.
        DropstreamError: A run failed; the message names it.
    """
    states = [state_of(run) for run in plan.runs]
    executor = Executor()
    display.begin(len(plan.runs), num_present=states.count("finished"))
    for number, (run, state) in enumerate(zip(plan.runs, states, strict=True), start=1):
        if state == "finished":
            continue
        display.start(number, run, resumes=state == "unfinished")
        try:
            executor.execute(replace(run.config, run=replace(run.config.run, if_exists="resume" if state == "unfinished" else "refuse")))
        except Interrupted as error:
            raise Interrupted(f"stopped by a signal in {run.name}; the same command goes on") from error
        except DivergenceError as error:
            # Resumed, it would only do the same again.
            folder = run.config.run.dir
            raise DivergenceError(f"{run.name}: {error}; leave this variant out, or remove {folder} and change its settings") from error
        except DropstreamError as error:
            raise type(error)(f"{run.name}: {error}") from error
        display.done(number, run)
