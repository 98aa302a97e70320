"""The line that the eye sees while shards are packed, and the lines that a log gets."""

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
def written():
    """What is written to stderr."""
    return io.StringIO()


@pytest.fixture(autouse=True)
def terminal(monkeypatch, written):
    """Makes stderr a terminal of so many columns."""

    def of_width(width: int = 200, **options: bool) -> None:
        monkeypatch.setattr(progress, "Console", lambda **_: Console(file=written, width=width, **{"force_terminal": True} | options))

    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    of_width()
    return of_width


def last_line(shown: Progress, written: io.StringIO) -> str:
    shown._live.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue()).replace("\r", "\n").rstrip().splitlines()[-1]


def test_files_that_are_found_are_counted(written):
    with Progress() as shown:
        shown.listed(4096)
        assert re.fullmatch(r"looking for images [━╸╺ ]{40}  4,096 files", last_line(shown, written))


def test_rates_shards_bad_images_and_the_time_that_is_left(written, clock):
    with Progress() as shown:
        shown.listed(50)
        shown.begin(3, 40)
        assert last_line(shown, written).endswith("  0/40 images  0 images/s  0.0 MB/s  0/3 shards  -:--:-- left")
        clock.now += 2
        shown.advance(5, 3_000_000, 0)
        shown.advance(1, 1_000_000, 0)
        shown.finish_shard()
        # 34 images at 3 a second.
        assert re.fullmatch(r"packing [━╸╺ ]{40}  6/40 images  3 images/s  2\.0 MB/s  1/3 shards  0:00:11 left", last_line(shown, written))
        shown.advance(34, 0, 1234)
        assert last_line(shown, written).endswith("  1/3 shards  1,234 bad  0:00:00 left")
    assert shown.num_finished == 1


def test_hours_that_are_left(written, clock):
    with Progress() as shown:
        shown.begin(9, 100_000)
        clock.now += 1
        shown.advance(1, 1, 0)
        assert last_line(shown, written).endswith("  27:46:39 left")


def test_where_nobody_knows_how_many_there_are_nothing_is_said_of_it(written, clock):
    with Progress("rebuilding") as shown:
        shown.begin(3, 0)
        clock.now += 1
        shown.advance(5, 0, 0)
        assert re.fullmatch(r"rebuilding [━╸╺ ]{40}  5 images  5 images/s  0\.0 MB/s  0/3 shards", last_line(shown, written))


def test_shards_that_were_kept_are_done_and_count_for_no_rate(written, clock):
    with Progress() as shown:
        shown.begin(4, 4000)
        # Comparing hashes takes time, too, but no time of the packing.
        clock.now += 5
        shown.advance(1000, 50_000_000, 3)
        shown.finish_shard(kept_images=1000, kept_bytes=50_000_000)
        assert re.search(r"1,000/4,000 images  0 images/s  0\.0 MB/s  1/4 shards  3 bad  -:--:-- left", last_line(shown, written))
        clock.now += 2
        shown.advance(200, 4_000_000, 0)
        assert re.search(r"1,200/4,000 images  100 images/s  2\.0 MB/s  1/4 shards  3 bad  0:00:28 left", last_line(shown, written))
        shown.advance(1000, 50_000_000, 0)
        shown.finish_shard(kept_images=1000, kept_bytes=50_000_000)
        assert re.search(r"2,200/4,000 images  100 images/s  2\.0 MB/s  2/4 shards  3 bad  0:00:18 left", last_line(shown, written))


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (104, r"packing [━╸╺ ]{10}  123,456/200,000 images  9,800 images/s  75\.0 MB/s  6/32 shards  12 bad  0:00:08 left"),
        (103, r"packing 123,456/200,000 images  9,800 images/s  75\.0 MB/s  6/32 shards  12 bad  0:00:08 left"),
        (92, r"packing 123,456/200,000 images  9,800 images/s  75\.0 MB/s  6/32 shards  12 bad  0:00:08 left"),
        (91, r"packing 123,456/200,000 images  9,800 images/s  6/32 shards  12 bad  0:00:08 left"),
        (80, r"packing 123,456/200,000 images  9,800 images/s  12 bad  0:00:08 left"),
        (60, r"packing 123,456/200,000 images  9,800 images/s  0:00:08 left"),
        (50, r"packing 123,456/200,000 images  0:00:08 left"),
        (40, r"packing 123,456/200,000 images"),
        (20, r"packing 123,456/200…"),
    ],
)
def test_what_does_not_fit_goes_and_the_line_never_wraps(terminal, written, clock, width, line):
    terminal(width)
    with Progress() as shown:
        shown.begin(32, 200_000)
        clock.now += 123_456 / 9800
        shown.advance(123_456, round(75e6 * 123_456 / 9800), 12)
        for _ in range(6):
            shown.finish_shard()
        shown._live.refresh()
        assert shown._live._live_render._shape[1] == 1
        assert re.fullmatch(line, last_line(shown, written))
        assert len(last_line(shown, written)) <= width


def test_it_says_what_is_being_done(written):
    with Progress("checking") as shown:
        shown.begin(1, 1)
        assert last_line(shown, written).startswith("checking ")


def test_the_line_is_taken_away_at_the_end(written):
    with Progress() as shown:
        shown.begin(1, 1)
    # Erases the line and shows the cursor again.
    assert written.getvalue().endswith("\x1b[1A\x1b[2K")
    assert "\x1b[?25h" in written.getvalue()


def work(shown: Progress, clock: SimpleNamespace, seconds: int) -> None:
    """Find images for 5 s, then pack 50 a second of 1 MB each; a tick every second."""
    for second in range(1, seconds + 1):
        clock.now += 1
        if second <= 5:
            shown.listed(1000 * second)
        if second == 5:
            shown.begin(32, 5000)
        if second > 5:
            shown.advance(50, 50_000_000, 0)
        if second % 10 == 0:
            shown.finish_shard()


@pytest.mark.parametrize("dumb", [False, True])
def test_a_log_gets_a_plain_line_every_thirty_seconds(terminal, written, clock, monkeypatch, dumb):
    terminal(40, force_terminal=dumb)
    monkeypatch.setenv("TERM", "dumb")
    with Progress() as shown:
        work(shown, clock, 65)
    assert written.getvalue().splitlines() == [
        "packing: 1,250/5,000 images, 50 images/s, 50.0 MB/s, 2/32 shards, 0:01:15 left",
        "packing: 2,750/5,000 images, 50 images/s, 50.0 MB/s, 5/32 shards, 0:00:45 left",
    ]


def test_a_short_run_leaves_nothing_in_a_log(terminal, written, clock):
    terminal(80, force_terminal=False)
    with Progress() as shown:
        work(shown, clock, 29)
    assert written.getvalue() == ""
    assert shown.num_finished == 2


def test_a_log_hears_of_a_long_search_too(terminal, written, clock, monkeypatch):
    monkeypatch.setattr(progress, "_PLAIN_SECONDS", 3.0)
    terminal(80, force_terminal=False)
    with Progress() as shown:
        work(shown, clock, 5)
    assert written.getvalue() == "looking for images: 3,000 files\n"
