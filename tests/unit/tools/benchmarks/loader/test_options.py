"""Flags out of their range are refused in words."""

import pytest

from shards.errors import ConfigurationError
from tools.benchmarks.loader.options import LoaderBenchmark


@pytest.mark.parametrize("name", ["num_images", "repeats", "batches", "batch_size", "threads"])
def test_counts_below_one_are_errors(name):
    with pytest.raises(ConfigurationError, match=rf"--{name.replace('_', '-')} is 0, expected at least 1"):
        LoaderBenchmark(**{name: 0})


@pytest.mark.parametrize("name", ["seconds", "warmup_batches", "large_images"])
def test_nothing_is_negative(name):
    with pytest.raises(ConfigurationError, match=rf"--{name.replace('_', '-')} is -1, expected at least 0"):
        LoaderBenchmark(**{name: -1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 31}, r"--image-size is 31, expected 32 to 4096"),
        ({"num_images": 300, "threads": 3}, r"--num-images is 300, expected at least 384: a batch of 128 for each of 3 workers"),
        ({"large_images": 100, "threads": 1}, r"--large-images is 100, expected 0 or at least a batch of 128"),
        ({"contenders": ()}, r"--contenders names none, or one twice"),
        ({"contenders": ("dali", "dali")}, r"--contenders names none, or one twice"),
    ],
)
def test_what_cannot_be_measured_is_an_error(options, message):
    with pytest.raises(ConfigurationError, match=message):
        LoaderBenchmark(**options)


def test_one_thread_per_core_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr("tools.benchmarks.loader.options.usable_cores", lambda: 5)
    assert (LoaderBenchmark().num_threads(), LoaderBenchmark(threads=2).num_threads()) == (5, 2)
