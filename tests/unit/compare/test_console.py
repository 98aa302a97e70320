import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from engine.compare.console import LiveLine, PlainDisplay, RichDisplay, open_display
from tests.unit.compare.found import difference, findings, variant
from tests.unit.compare.runs import plan_of

HOSTILE = "[red]\x1b[31mx"


@pytest.fixture
def runs(tmp_path):
    return plan_of(tmp_path, "--schedulers", "stl", "mtl", "--seeds", "1", tasks=("Young", HOSTILE))[1].runs


def found():
    tasks = ("Young", HOSTILE)
    return findings(variant("mtl", tasks=tasks), variant("dst", to_baseline=difference(0.5, 0.3), value=0.9, tasks=tasks), tasks=tasks)


def tell(display, runs):
    """What a comparison says of five runs: the first is there, the fourth diverges, and another process trains the last."""
    display.begin(5, num_present=1)
    display.start(2, runs[1], resumes=True)
    display.done(2, runs[1])
    display.start(3, runs[2], resumes=False)
    display.done(3, runs[2])
    display.start(4, runs[2], resumes=False)
    display.failed(4, runs[2], "diverged")
    for _ in range(2):
        display.wait(runs)
    display.passed(5, runs[1], "trained by another process")
    display.close()
    display.end(found(), [Path("out/results.json"), Path("out/report.html"), Path("out/plots/val.png")])


def test_plain_lines(runs, capsys):
    tell(PlainDisplay(), runs)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["5 runs, 1 of them present", "run 2/5 stl seed 0 [red]\\x1b[31mx: goes on"]
    assert lines[2] == "run 2/5 stl seed 0 [red]\\x1b[31mx: done in 0.0 s"
    assert lines[3] == "run 3/5 mtl seed 0: starts, about 0:00 left"
    assert lines[4] == "run 3/5 mtl seed 0: done in 0.0 s"
    assert lines[5:7] == ["run 4/5 mtl seed 0: starts, about 0:00 left", "run 4/5 mtl seed 0: diverged after 0.0 s"]
    assert lines[7] == "waits for stl seed 0 Young, which another process trains, and 2 more to go"
    assert lines[8] == "run 5/5 stl seed 0 [red]\\x1b[31mx: trained by another process"
    assert lines[9].startswith("Over 3 seeds dst does not differ from mtl beyond chance")
    heads = next(line for line in lines if line.startswith("variant"))
    best = next(line for line in lines if line.startswith("dst"))
    assert heads.split() == [
        "variant",
        "balanced",
        "accuracy",
        "to",
        "mtl,",
        "points",
        "adjusted",
        "Δm,",
        "%",
        "negative",
        "transfer",
        "time",
    ]
    assert best.split()[:4] == ["0.900", "±", "0.010", "*"] or best.split()[1:5] == ["0.900", "±", "0.010", "*"]
    assert lines[-1] == "wrote out/results.json, out/report.html and 1 picture in plots"


def test_a_terminal_shows_the_same_without_markup_of_names(runs):
    stream = io.StringIO()
    tell(RichDisplay(Console(file=stream, width=100, force_terminal=True, color_system=None, legacy_windows=False)), runs)
    text = stream.getvalue()
    runs_told = ("stl seed 0 [red]\\x1b[31mx", "✓ 3/5 mtl seed 0", "✗ 4/5 mtl seed 0  diverged after", "· 5/5 stl seed 0")
    for part in (*runs_told, "Over 3 seeds", "0.900 ± 0.010", "out/report.html"):
        assert part in text, part
    assert "\x1b[31m" not in text


@pytest.mark.parametrize("width", [20, 40, 60, 120])
def test_the_live_line_fits(width):
    line = LiveLine()
    line.num_runs, line.number, line.name, line.resumes = 24, 3, "random[scheduler.rate=0.1] seed 1", True
    text = line.line(width)
    assert text.cell_len <= width
    assert cell_len(text.plain) > 5
    if width == 120:
        assert "run 3 of 24" in text.plain
        assert "goes on" in text.plain


def test_what_is_no_terminal_gets_lines():
    assert isinstance(open_display(), PlainDisplay)
