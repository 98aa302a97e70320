import pytest

from engine.compare.pace import Pace


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_the_pace_is_that_of_the_runs_so_far():
    clock = Clock()
    pace = Pace(clock)
    pace.begin(4)
    clock.seconds = 10
    pace.start()
    assert pace.left_seconds is None
    clock.seconds = 30
    assert pace.done() == 20
    assert pace.left_seconds is None
    pace.start()
    # Three more of 30 seconds each, with the 10 before the first run.
    assert pace.left_seconds == 90
    clock.seconds = 45
    assert (pace.left_seconds, pace.elapsed_seconds) == (75, 45)
    # Far longer than the first one took.
    clock.seconds = 200
    assert pace.left_seconds == 0


def test_runs_that_others_end_count():
    """Three processes of the same speed, 20 seconds a run, ten runs."""
    clock = Clock()
    pace = Pace(clock)
    pace.begin(10)
    pace.start()
    clock.seconds = 20
    pace.done()
    pace.passed()
    pace.passed()
    pace.start()
    # A run ends every 20 / 3 seconds, and seven are left.
    assert pace.left_seconds == pytest.approx(7 * 20 / 3)
    clock.seconds = 40
    pace.done()
    pace.passed()
    pace.passed()
    pace.start()
    clock.seconds = 60
    pace.done()
    pace.passed()
    pace.passed()
    pace.start()
    clock.seconds = 65
    # The last one takes as long as any, although the others are idle by now.
    assert pace.left_seconds == 15
    clock.seconds = 80
    pace.done()
    # Whether others are still at work is not known here.
    assert pace.left_seconds is None
