import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from engine.compare.closing import closing_table, in_plain_text, in_terminal
from engine.compare.tables import with_minus
from tests.unit.compare.found import difference, findings, variant


def test_the_small_table_joins_both():
    found = findings(
        variant("stl", to_baseline=difference(1)), variant("mtl", suffering=(True, False)), variant("顔", to_baseline=difference(2, 0.01))
    )
    table = closing_table(found)
    assert tuple(head.name for head in table.heads) == (
        "balanced accuracy",
        "to mtl, points",
        "adjusted",
        "Δm, %",
        "negative transfer",
        "time",
    )
    assert [[cell.text for cell in row.cells] for row in table.rows][1] == [
        "0.800 ± 0.010",
        "n/a",
        "n/a",
        with_minus("-1.50 ± 0.01"),
        "1 of 2",
        "12.0 s",
    ]
    assert [cell.text for cell in table.rows[-1].cells] == ["0.500", "", "", "", "", ""]
    lines = in_plain_text(found)
    assert len(lines) == 6
    # Whatever the names' width, the columns end at the same cell.
    assert len({cell_len(line) for line in lines[:4]}) == 1


def test_the_star_is_explained_where_there_is_one():
    several = in_plain_text(findings(variant("mtl"), variant("dst", value=0.9, to_baseline=difference(1))))
    assert "0.900 ± 0.010 *" in several[2]
    assert several[-1] == "* best of the column"
    alone = in_plain_text(findings(variant("mtl")))
    assert len(alone) == 3
    assert not any("*" in line for line in alone)


def test_plain_lines_have_hyphens():
    lines = in_plain_text(findings(variant("mtl", suffering=(True, False)), variant("dst", to_baseline=difference(-3))))
    assert "-1.50 ± 0.01" in lines[1]
    assert "-3.00 ± 1.00" in lines[2]
    assert with_minus("-") not in "".join(lines)


def terminal(found):
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=120, legacy_windows=False)
    console.print(in_terminal(found))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("variants", "last"),
    [
        ([variant("mtl")], None),
        ([variant("mtl"), variant("dst", value=0.9)], "bold: best of the column"),
        ([variant("mtl", suffering=(True, False))], "red: negative transfer"),
        ([variant("mtl", suffering=(True, False)), variant("dst", value=0.9)], "bold: best of the column · red: negative transfer"),
    ],
)
def test_the_terminal_tells_what_bold_and_red_mean_only_if_they_occur(variants, last):
    lines = terminal(findings(*variants)).splitlines()
    if last is None:
        assert len(lines) == 4
        assert "without a model" in lines[-1]
    else:
        assert lines[-1].startswith(f"\x1b[2m{last} ")


def test_marks_in_the_terminal():
    drawn = terminal(findings(variant("mtl", suffering=(True, False)), variant("dst", value=0.9, to_baseline=difference(-3))))
    assert "\x1b[1m    0.900 ± 0.010\x1b[0m" in drawn
    assert "\x1b[31m           1 of 2\x1b[0m" in drawn
    assert with_minus("-3.00 ± 1.00") in drawn
