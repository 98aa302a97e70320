"""How long a comparison will take."""

import time
from collections.abc import Callable


class Pace:
    """How fast the runs end, and so how long the rest will take. Runs that other processes train at the same time count as well.

    Args:
        now: A clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._last_end = now()
        self._run_began: float | None = None
        self._durations: list[float] = []
        self._num_ended = 0
        self._num_left = 0

    def begin(self, num_to_do: int) -> None:
        """Know how many runs are to be trained."""
        self._num_left = num_to_do

    def start(self) -> None:
        """Begin a run."""
        self._run_began = self._now()

    def done(self) -> float:
        """End the run and return its seconds."""
        now = self._now()
        self._durations.append(now - (now if self._run_began is None else self._run_began))
        self._run_began = None
        self._count(now)
        return self._durations[-1]

    def passed(self) -> None:
        """Count a run that has ended without this process."""
        self._count(self._now())

    def _count(self, now: float) -> None:
        self._last_end = now
        self._num_ended += 1
        self._num_left -= 1

    @property
    def elapsed_seconds(self) -> float:
        """Return the time since the beginning."""
        return self._now() - self._began

    @property
    def left_seconds(self) -> float | None:
        """Return the expected time to the end of the last run.

        None before a run of this process has ended, and while it has none: how far those of other processes are is not known.
        """
        if not self._durations or self._run_began is None:
            return None
        now = self._now()
        at_this_rate = (self._last_end - self._began) / self._num_ended * self._num_left - (now - self._last_end)
        of_this_run = sum(self._durations) / len(self._durations) - (now - self._run_began)
        return max(0.0, at_this_rate, of_this_run)
