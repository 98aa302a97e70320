"""The line that the eye sees while shards are packed."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from shards.packing import progress
from shards.packing.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def terminal(monkeypatch):
    """What is written to a terminal of 200 columns."""
    written = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=written, force_terminal=True, width=200))
    return written


def last_line(shown: Progress, written: io.StringIO) -> str:
    shown._bar.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue()).replace("\r", "\n").rstrip().splitlines()[-1]


def test_files_that_are_found_are_counted(terminal):
    with Progress() as shown:
        shown.listed(4096)
        line = last_line(shown, terminal)
    assert "looking for images" in line
    assert "4,096 files" in line


def test_rates_shards_and_bad_images(terminal, clock):
    with Progress() as shown:
        shown.listed(50)
        shown.begin(3, 40)
        clock.now += 2
        shown.advance(5, 3_000_000, 0)
        shown.advance(1, 1_000_000, 0)
        shown.finish_shard()
        line = last_line(shown, terminal)
        assert re.search(r"packing .*6/40 images  3 images/s  2\.0 MB/s  1/3 shards", line)
        assert "bad" not in line
        shown.advance(2000, 0, 1234)
        assert re.search(r"1/3 shards  1,234 bad", last_line(shown, terminal))
    assert shown.num_finished == 1


def test_it_says_what_is_being_done(terminal):
    with Progress("checking") as shown:
        shown.begin(1, 1)
        assert "checking" in last_line(shown, terminal)


def test_the_line_is_taken_away_at_the_end(terminal):
    with Progress() as shown:
        shown.begin(1, 1)
    # Erases the line and shows the cursor again.
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")
    assert "\x1b[?25h" in terminal.getvalue()


def test_nothing_is_written_where_stderr_is_no_terminal(capsys, monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with Progress() as shown:
        shown.listed(1)
        shown.begin(1, 1)
        shown.advance(1, 1, 1)
        shown.finish_shard()
        shown._bar.refresh()
    assert capsys.readouterr() == ("", "")
    assert shown.num_finished == 1
