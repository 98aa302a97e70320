"""All runs of a comparison: each trained by one of the processes that work on it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.compare.comparison import Comparison, PlannedRun
from engine.compare.console import Display
from engine.compare.execute import Executor
from engine.compare.run_state import State, state_of
from engine.compare.variant import Variant
from engine.journal.history import read_history
from shards.command import one_line
from shards.errors import DivergenceError, DropstreamError, Interrupted
from shards.storage.lock import LOCK, try_lock

_POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class LostRun:
    """A run without a result."""

    run: PlannedRun
    """The run."""
    reason: str
    """Why; untrusted text."""


def train_all(plan: Comparison, display: Display, data: str) -> list[LostRun]:
    """Train every run that has not ended, but for those that other processes train; return when all have ended.

    What stands is looked at before the first run starts. A run that another process leaves unfinished is gone on with here.

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
    campaign = _Campaign(plan, display, data)
    display.begin(len(plan.runs), num_present=len(plan.runs) - campaign.num_open)
    while campaign.num_open:
        if not campaign.advance():
            campaign.wait()
    return campaign.lost


class _Campaign:
    """What has become of the runs so far."""

    def __init__(self, plan: Comparison, display: Display, data: str) -> None:
        self._display = display
        self._data = data
        self._executor = Executor()
        self._lost: dict[int, LostRun] = {}
        self._open: dict[int, PlannedRun] = {}
        for number, run in enumerate(plan.runs, start=1):
            state = state_of(run, data)
            if state == "diverged":
                self._lose(number, run, _told(run))
            elif state != "finished":
                self._open[number] = run

    @property
    def num_open(self) -> int:
        """Return the number of runs that have not ended."""
        return len(self._open)

    @property
    def lost(self) -> list[LostRun]:
        """Return the runs without a result, in the order of the plan."""
        return [self._lost[number] for number in sorted(self._lost)]

    def advance(self) -> bool:
        """End the first run that can be ended; False if other processes are at work on all of them, or on what they wait for."""
        # From the front each time, so that what others have ended meanwhile is known before the next run starts.
        for number, run in self._open.items():
            if self._end(number, run):
                del self._open[number]
                return True
        return False

    def wait(self) -> None:
        """Let the other processes get on."""
        self._display.wait(list(self._open.values()))
        time.sleep(_POLL_SECONDS)

    def _end(self, number: int, run: PlannedRun) -> bool:
        if any(_takes_mean_of(run, other) for other in self._open.values()):
            return False
        lost = next((other.run for other in self._lost.values() if _takes_mean_of(run, other.run)), None)
        if lost:
            self._lose(number, run, f"{lost.name}, whose mean P it would take, diverged")
            self._display.passed(number, run, "left out")
            return True
        folder = run.config.run.dir
        with try_lock(lock_beside(folder)) as is_ours:
            if not is_ours or _is_trained_by_itself(folder):
                return False
            state = state_of(run, self._data)
            if state == "finished":
                self._display.passed(number, run, "trained by another process")
            elif state == "diverged":
                self._lose(number, run, _told(run))
                self._display.passed(number, run, "diverged in another process")
            else:
                self._train(number, run, state)
        return True

    def _train(self, number: int, run: PlannedRun, state: State) -> None:
        self._display.start(number, run, resumes=state == "unfinished")
        if_exists = "resume" if state == "unfinished" else "refuse"
        try:
            self._executor.execute(replace(run.config, run=replace(run.config.run, if_exists=if_exists)))
        except Interrupted as error:
            raise Interrupted(f"stopped by a signal in {run.name}; the same command goes on") from error
        except DivergenceError as error:
            self._lose(number, run, str(error))
            self._display.failed(number, run, "diverged")
        except DropstreamError as error:
            raise type(error)(f"{run.name}: {error}") from error
        else:
            self._display.done(number, run)

    def _lose(self, number: int, run: PlannedRun, reason: str) -> None:
        self._lost[number] = LostRun(run=run, reason=reason)


def lock_beside(folder: Path) -> Path:
    """Return the lock on a run for the processes of a comparison. It is taken before the run's folder is made and looked into."""
    return folder.with_name(f".{folder.name}.lock")


def _is_trained_by_itself(folder: Path) -> bool:
    """Tell whether `engine/train.py` is at work in a run's folder, or a process that has just been killed still holds it."""
    if not (folder / LOCK).exists():
        return False
    with try_lock(folder / LOCK) as is_free:
        return not is_free


def _takes_mean_of(run: PlannedRun, other: PlannedRun) -> bool:
    source = run.config.scheduler.weights_of
    return source is not None and other is not run and other.config.run.dir.resolve() == source.resolve()


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
