"""What the clock sees."""

import dataclasses
import json
import sys
from contextlib import contextmanager

import pytest
import torch

from tools.benchmarks.loader import start_trial, trial
from tools.benchmarks.loader.trial import measure
from tools.benchmarks.loader.work import Work


@pytest.fixture
def clock(monkeypatch):
    """Each batch takes a second, the warm-up's ten."""
    now = [0.0]
    monkeypatch.setattr(trial.time, "perf_counter", lambda: now[0])

    @contextmanager
    def open_stream(work):
        def batches():
            for number in range(1000):
                now[0] += 10.0 if number < work.warmup_batches else 1.0
                yield [0] * work.batch_size, None

        yield batches()

    return open_stream


@pytest.mark.parametrize(
    ("batches", "seconds", "measured"),
    [(5, 0.0, 5), (5, 3.0, 5), (5, 7.0, 7), (1, 2.5, 3)],
)
def test_at_least_so_many_batches_and_so_many_seconds(clock, work, batches, seconds, measured):
    told = dataclasses.replace(work, warmup_batches=3, batches=batches, seconds=seconds)
    assert measure(clock, told) == {"seconds": measured, "batches": measured, "images": measured * work.batch_size}


def test_work_travels_as_text(work):
    assert Work.from_json(work.to_json()) == work


def test_the_first_batchs_seconds_with_and_without_the_opening(work, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["start_trial", work.to_json()])
    threads = torch.get_num_threads()
    try:
        start_trial.main()
    finally:
        torch.set_num_threads(threads)
    figures = json.loads(capsys.readouterr().out)
    assert 0 < figures["loader_seconds"] < figures["seconds"] < 60
