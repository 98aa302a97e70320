import pytest
from rich.cells import cell_len
from rich.console import Console

from engine.report.panels import epoch_title, header, summary_block
from engine.report.summary import summarise


def drawn(renderable, width: int, **options) -> str:
    console = Console(width=width, legacy_windows=False, **options)
    with console.capture() as capture:
        console.print(renderable, width=width)
    return capture.get()


def test_the_header_names_what_decides_the_run(make):
    text = drawn(header(make.history(make.run), 80), 80)
    for fact in (
        "trial",
        "138,422,128",
        "64,584",
        "NVIDIA H100",
        "bf16",
        "batch 100",
        "dst",
        "Young 75 %",
        "Wearing_Hat n/a",
        "train 4,000",
    ):
        assert fact in text
    assert "3 epochs of 40 steps" in text


def test_the_epochs_title(make):
    title = epoch_title(make.history(make.run, make.epoch, make.loader), 0)
    assert title.plain == "epoch 1/3 · loss 0.4000 · 200 images/s · data wait 3.0 % · 20.0 s"
    assert "green" in [span.style for span in title.spans]


def test_the_summary_leads_with_the_result_then_the_verdict(make):
    lines = drawn(summary_block(summarise(make.history(*make.records()))), 80).splitlines()
    assert lines[0].startswith("trial: finished ─")
    assert lines[1].rstrip() == "test balanced accuracy 0.800 (chance 0.500) · accuracy 0.825 · majority 0.750"
    assert lines[3].startswith("compute-bound: the loader had a batch ready 97 %")


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("num_tasks", [2, 40])
def test_both_fit_the_terminal(make, width, num_tasks):
    history = make.history(*make.records(tasks=tuple(f"Wearing_Something_{place}" for place in range(num_tasks))))
    text = drawn(header(history, width), width) + drawn(summary_block(summarise(history)), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_hostile_names_are_text(make):
    history = make.history(*make.records(tasks=(make.hostile, "Young")), make.replace(make.run, name="[bold]x\x1b[2J", resumed_epoch=9))
    history.processes[-1] = make.replace(history.run, tasks=(make.hostile, "Young"))
    text = drawn(header(history, 100), 100, force_terminal=True, color_system=None)
    text += drawn(summary_block(summarise(history)), 100, force_terminal=True, color_system=None)
    assert "[bold]x\\x1b[2J" in text
    assert "[red]\\x1b[31m$x_" in text
    assert "\x1b[31m" not in text
    assert "\x1b[2J" not in text
