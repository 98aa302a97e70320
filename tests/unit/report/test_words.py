import doctest
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report import words


@pytest.mark.parametrize("module", ["words", "rows", "rates", "tables", "plain"])
def test_the_examples_in_the_docstrings(module):
    results = doctest.testmod(importlib.import_module(f"engine.report.{module}"))
    assert results.attempted > 0
    assert results.failed == 0


@given(st.floats(0, 1e7))
def test_times_never_show_sixty_seconds(seconds):
    assert not words.clock(seconds).endswith(":60")
    assert "60 s" not in words.duration(seconds)
    assert "60 min" not in words.duration(seconds)


def test_what_was_not_measured_says_so():
    for write in (words.number, words.percent, words.count, words.clock, words.duration, words.memory, words.milliseconds):
        assert write(None) == "n/a"
