import io

import pytest
from rich.console import Console

from engine.report import display
from engine.report.display import PlainDisplay, QuietDisplay, RichDisplay, open_display
from shards.errors import ConfigurationError


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def ascii_stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


def test_auto_is_rich_in_a_terminal_and_plain_elsewhere(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout", Terminal())
    assert isinstance(open_display("auto"), RichDisplay)
    assert isinstance(open_display("plain"), PlainDisplay)
    assert isinstance(open_display("quiet"), QuietDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_display("auto"), PlainDisplay)
    monkeypatch.setattr("sys.stdout", ascii_stream())
    assert isinstance(open_display("auto"), PlainDisplay)


def test_rich_by_force_needs_utf8(monkeypatch):
    monkeypatch.setattr("sys.stdout", ascii_stream())
    with pytest.raises(ConfigurationError, match="'rich' needs a UTF-8 stdout, this one is ascii"):
        open_display("rich")


def test_a_terminal_sees_header_line_table_and_summary(make):
    screen = Terminal()
    shown = RichDisplay(Console(file=screen, force_terminal=True, width=80, color_system=None))
    history = make.history(make.run)
    shown.run(history)
    history.add(make.step)
    shown.record(make.step)
    shown.print("resuming [red]at\x1b[2J epoch 3")
    history.add(make.epoch)
    history.add(make.eval)
    shown.epoch(0)
    assert "resuming [red]at\\x1b[2J epoch 3" in screen.getvalue()
    assert "Wearing_Hat" in screen.getvalue()
    shown.close()
    # The live line is erased and the cursor shown again.
    assert "\x1b[2K" in screen.getvalue()[-20:]
    assert "\x1b[?25h" in screen.getvalue()[-20:]


def test_steps_that_come_too_fast_are_not_drawn(make, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    screen = Terminal()
    shown = RichDisplay(Console(file=screen, force_terminal=True, width=80, color_system=None))
    history = make.history(make.run)
    shown.run(history)
    drawn = []
    for step, seconds in enumerate((0.0, 0.05, 0.09, 0.11, 0.2)):
        now[0] = 100.0 + seconds
        record = make.replace(make.step, step=step)
        history.add(record)
        before = len(screen.getvalue())
        shown.record(record)
        drawn.append(len(screen.getvalue()) > before)
    shown.close()
    assert drawn == [True, False, False, True, False]


def test_plain_lines_survive_an_ascii_stream(make):
    stream = ascii_stream()
    shown = PlainDisplay(stream)
    history = make.history(*make.records())
    shown.run(history)
    shown.record(make.step)
    shown.epoch(0)
    shown.print("two\nlines · one")
    text = stream.buffer.getvalue().decode("ascii")
    assert "tasks 10\n" in text
    assert "two lines | one\n" in text
    assert "\x1b" not in text
