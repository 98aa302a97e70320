"""The contenders' turns: each in every round, but whoever has failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.benchmarks.loader.contenders import Contender
from tools.benchmarks.loader.work import Work
from tools.benchmarks.trial import Trial, TrialError, run_trial

_TRIAL = "tools.benchmarks.loader.trial"
_TIMEOUT_SECONDS = 600.0
"""Far more than any trial takes: a loader whose workers have died may wait for them for ever."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """What came of the contenders."""

    trials: dict[Contender, list[Trial]]
    """Rounds of those that have run."""
    failures: dict[Contender, str]
    """The last line of the error of those that have not."""


def run_rounds(contenders: Sequence[Contender], work: Work, repeats: int, tell: Callable[[str], None]) -> Rounds:
    """Let each contender load in turn, `repeats` times over, so that a machine that slows down slows all of them.

    Args:
        contenders: Who takes part.
        work: What each process is told.
        repeats: Rounds.
        tell: Is told whose turn it is.
    """
    trials: dict[Contender, list[Trial]] = {contender: [] for contender in contenders}
    failures: dict[Contender, str] = {}
    for number in range(repeats):
        for contender in contenders:
            if contender in failures:
                continue
            tell(f"round {number + 1} of {repeats}: {contender.title}")
            try:
                trials[contender].append(run_one(contender, work))
            except TrialError as error:
                failures[contender] = error.reason
                del trials[contender]
    return Rounds(trials=trials, failures=failures)


def run_one(contender: Contender, work: Work) -> Trial:
    """Let a contender load once, in a process of its own.

    Raises:
        TrialError: It failed.
    """
    return run_trial(_TRIAL, contender.function, work.to_json(), timeout_seconds=_TIMEOUT_SECONDS)
