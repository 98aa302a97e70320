"""What the GPU's events say of a window."""

import pytest

from tools.benchmarks.gpu.profile_window import Window, fill


def event(ts, dur, name):
    return {"ts": ts, "dur": dur, "name": name, "cat": "kernel"}


def test_overlapping_kernels_count_once_and_gaps_not_at_all():
    window = Window()
    # 0-10 and 5-20 on two streams, a gap of 20, 40-50 inside 40-60.
    fill(window, [event(40, 20, "b"), event(5, 15, "a"), event(0, 10, "a"), event(40, 10, "c")])
    assert window.wall_ms == pytest.approx(0.06)
    assert window.busy_share == pytest.approx(40 / 60)
    assert window.kernels == (("a", pytest.approx(25 / 60)), ("b", pytest.approx(20 / 60)), ("c", pytest.approx(10 / 60)))


def test_without_a_gpu_there_is_no_share():
    window = Window()
    fill(window, [])
    assert window == Window()
    assert window.busy_share is None
