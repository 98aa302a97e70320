"""What is printed."""

import pytest

from tools.benchmarks.loader.contenders import CONTENDERS, DECODING, READING
from tools.benchmarks.loader.options import LoaderBenchmark
from tools.benchmarks.loader.report import Report, print_report
from tools.benchmarks.loader.score import scores
from tools.benchmarks.loader.work import Work
from tools.benchmarks.trial import Trial


def report(load_before: float) -> Report:
    """Two rounds of everybody."""
    trials = {
        who: [Trial(seconds=1.0, peak_anonymous_bytes=200_000_000, figures={"images": 1000 * place + more}) for more in (0, 500)]
        for place, who in enumerate((*CONTENDERS, DECODING, READING), start=1)
    }
    work = Work(faces="", shards="", litdata="", threads=2, batch_size=128, image_size=224, warmup_batches=6, batches=40, seconds=4.0)
    options = LoaderBenchmark(threads=2, repeats=2)
    return Report(work=work, options=options, load_before=load_before, scores=scores(trials), absent={}, failures={}, many=None)


@pytest.fixture
def lines(capsys, monkeypatch):
    """All that is printed in a narrow window."""
    monkeypatch.setenv("COLUMNS", "60")
    print_report(report(load_before=0.1))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_the_table_is_never_cut(lines):
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[1:10]]
    assert rows[0] == ["workers", "images/s", "min-max", "x torch", "x DALI", "decoding", "RssAnon, MB"]
    assert rows[1] == ["dropstream", "2 threads", "1,250", "1,000-1,500", "0.29", "0.38", "15%", "200"]
    assert rows[4] == ["torch DataLoader + PIL", "2 processes", "4,250", "4,000-4,500", "1.00", "1.31", "52%", "200"]
    assert rows[8] == ["libjpeg-turbo alone", "2 threads", "8,250", "8,000-8,500", "1.94", "2.54", "100%", "200"]


def test_reading_alone_has_a_line_of_its_own(lines):
    assert lines[10] == "order, source and checksums alone: 9,250 samples/s on one thread"
    assert not any(line.startswith(READING.title) for line in lines[1:10])


def test_remarks_say_what_everybody_does(lines):
    remarks = lines[11:]
    assert all(
        any(line.startswith(f"{who.title}:") for line in remarks) for who in CONTENDERS if who.name not in {"channels-last", "torch"}
    )
    assert "torch DataLoader + PIL: permutes all samples; a file per image." in remarks
    assert all(len(line) <= 120 for line in lines)


def test_a_busy_machine_is_told(capsys):
    print_report(report(load_before=2.04))
    assert "The machine was busy before the start (load average 2.0): measure again when it is not." in capsys.readouterr().out.splitlines()
