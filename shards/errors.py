"""Every error a user can cause, as one tree.

    DropstreamError
    ├── ConfigurationError   exit 2   wrong argument, flag or configuration key
    ├── DataError            exit 3   a missing, damaged or inconsistent input or shard
    ├── CheckpointError      exit 4   weights or a checkpoint that cannot be used
    ├── DivergenceError      exit 1   a loss that is no finite number any more
    ├── RankLostError        exit 1   another process of the run has ended
    └── Interrupted          exit 75  stopped by a signal; the run can be resumed

Each message is one line: what is wrong, where (path, shard, row or key) and what to do about it.
`ValueError` stays what it is in Python: a caller of a function passed a wrong argument.
"""

import difflib
import shlex
from collections.abc import Iterable, Sequence


class DropstreamError(Exception):
    """Base of everything a command reports as one line instead of a traceback."""

    exit_code = 1


class ConfigurationError(DropstreamError):
    """A wrong argument, flag or configuration key."""

    exit_code = 2


class DataError(DropstreamError):
    """An input or a shard that is missing, damaged or inconsistent."""

    exit_code = 3


class CheckpointError(DropstreamError):
    """Weights or a checkpoint that are missing, damaged or made for something else."""

    exit_code = 4


class DivergenceError(DropstreamError):
    """Training produced a loss that is not a finite number."""


class RankLostError(DropstreamError):
    """Another process of the same run has ended, and took this one with it."""


class Interrupted(DropstreamError):  # noqa: N818 (not an error: the run did as it was told)
    """The run stopped at a signal after writing a checkpoint."""

    exit_code = 75


class InterruptedWaiting(Interrupted):
    """The same, without a checkpoint of its own: this process alone waited for what did not come, and the others waited for it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the nearest known name, or an empty string.

    >>> did_you_mean("Yuong", ["Young", "Male"])
    "; did you mean 'Young'?"
    >>> did_you_mean("zzz", ["Young", "Male"])
    ''
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    nearest = difflib.get_close_matches(name.lower(), lowered, n=1)
    return f"; did you mean {lowered[nearest[0]]!r}?" if nearest else ""


def by_spaces(words: Sequence[str], known: Iterable[str]) -> str:
    """Return `"; names are separated by spaces: a b"` if that makes known names of the words, or an empty string.

    >>> by_spaces(["Young,Bald"], ["Bald", "Male", "Young"]), by_spaces(["[Young,", "'Bald']"], ["Bald", "Young"])
    ('; names are separated by spaces: Young Bald', '; names are separated by spaces: Young Bald')
    >>> by_spaces(["Young"], ["Young"]), by_spaces(["Young,Old"], ["Young"])
    ('', '')
    """
    pieces = [piece.strip(" []()'\"") for word in words for piece in word.split(",")]
    pieces = [piece for piece in pieces if piece]
    if pieces == list(words) or not pieces or not set(pieces) <= set(known):
        return ""
    return f"; names are separated by spaces: {' '.join(map(shlex.quote, pieces))}"
