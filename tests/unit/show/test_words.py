from hypothesis import given
from hypothesis import strategies as st

from engine.show import words


@given(st.floats(0, 1e7))
def test_times_never_show_sixty_seconds(seconds):
    assert not words.clock(seconds).endswith(":60")
    assert "60 s" not in words.duration(seconds)
    assert "60 min" not in words.duration(seconds)


def test_what_was_not_measured_says_so():
    for write in (words.number, words.percent, words.count, words.clock, words.duration, words.memory, words.milliseconds):
        assert write(None) == "n/a"
