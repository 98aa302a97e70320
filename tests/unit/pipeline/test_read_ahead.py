"""Work done before it is asked for."""

import threading

import pytest

from engine.pipeline.read_ahead import ReadAhead


def test_results_come_in_order_and_some_are_made_ahead():
    made = []
    enough = threading.Event()

    def work(number: int) -> int:
        made.append(number)
        if number == 8:
            enough.set()
        return number * number

    ahead = ReadAhead(work, first=5, depth=3)
    assert ahead.take() == 25
    # Number 8 is the last that may be made before the next one is asked for.
    assert enough.wait(10)
    assert [ahead.take() for _ in range(4)] == [36, 49, 64, 81]
    ahead.close()
    assert made == list(range(5, 5 + len(made)))
    assert len(made) <= 5 + 3


def test_an_error_comes_when_its_result_is_asked_for():
    def work(number: int) -> int:
        if number == 2:
            raise KeyError("two")
        return number

    ahead = ReadAhead(work, first=0, depth=4)
    assert [ahead.take(), ahead.take()] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        ahead.take()
    assert ahead.take() == 3
    ahead.close()


def test_close_ends_the_thread_and_drops_what_waits():
    before = threading.active_count()
    started, release = threading.Event(), threading.Event()

    def work(number: int) -> int:
        started.set()
        release.wait(10)
        return number

    ahead = ReadAhead(work, first=0, depth=50)
    taker = threading.Thread(target=ahead.take)
    taker.start()
    assert started.wait(10)
    release.set()
    taker.join(10)
    ahead.close()
    assert threading.active_count() == before
