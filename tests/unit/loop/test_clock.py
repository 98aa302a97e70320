"""Timing of steps and waits."""

import pytest

from engine.loop import clock as clock_module
from engine.loop.clock import Clock


@pytest.fixture
def now(monkeypatch):
    """A time that only the test moves."""
    time = [100.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: time[0])
    return time


def step(clock, now, wait, work):
    with clock.waiting():
        now[0] += wait
    now[0] += work
    clock.step_done()


def test_rates_and_shares_since_the_last_report(now):
    clock = Clock(warm=True)
    step(clock, now, 0.1, 0.3)
    step(clock, now, 0.3, 0.3)
    assert clock.since_last_report(50) == (pytest.approx(100), pytest.approx(0.4))
    step(clock, now, 0.0, 0.5)
    assert clock.since_last_report(50) == (pytest.approx(100), 0.0)


def test_the_first_wait_of_a_process_is_warm_up_and_pauses_do_not_count(now):
    clock = Clock(warm=False)
    step(clock, now, 9.0, 0.5)
    now[0] += 30
    clock.pause_over()
    step(clock, now, 0.25, 0.25)
    record = clock.record(epoch=3, num_images=100, gpu_peak_bytes=None)
    assert (record.epoch, record.num_images, record.gpu_peak_bytes) == (3, 100, None)
    assert (record.warmup_seconds, record.seconds, record.data_wait_seconds) == (pytest.approx(9), pytest.approx(1), pytest.approx(0.25))
    assert record.step_ms[0] == pytest.approx(500)
    assert record.data_wait_ms[0] == pytest.approx(125)
    assert record.rss_anon_bytes > 10**7


def test_an_epoch_without_a_step():
    record = Clock(warm=True).record(epoch=0, num_images=0, gpu_peak_bytes=1)
    assert (record.seconds, record.step_ms) == (0, (0.0, 0.0, 0.0))
