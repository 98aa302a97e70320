"""The table of `tools/benchmark gpu`."""

import json

from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.outcome import Outcome, page, table
from tools.benchmarks.gpu.schedule import MEASUREMENTS, TESTS


def outcomes() -> list[Outcome]:
    speed = Figure(what="a | b", value=12345.6, unit="images/s", note="2 cores", expected="fast")
    return [
        Outcome(TESTS, [Figure(what="tests passed", value=3)], 61.4, "done"),
        Outcome(MEASUREMENTS[2], [speed], 75.0, "stopped after 75 s"),
        Outcome(MEASUREMENTS[3]),
    ]


def test_every_row_has_five_cells_of_one_width_and_tells_how_its_part_went():
    lines = table(outcomes()).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {5}
    assert len({len(line) for line in lines}) == 1
    assert cells[2:] == [
        ["0", "**the GPU's tests**", "61 s", "", ""],
        ["0", "tests passed", "3", "", ""],
        ["3", "**the loader alone**", "stopped after 75 s", "", ""],
        ["3", "a / b", "12,346 images/s", "2 cores", "fast"],
        ["4", "**the frozen trunk alone**", "waiting", "", ""],
    ]


def test_the_page_begins_with_the_machine():
    text = page({"cores": 2, "versions": {"torch": "2.11", "numpy": "2.5"}}, outcomes())
    assert text.splitlines()[:3] == ["- cores: 2", "- versions: torch 2.11, numpy 2.5", ""]


def test_only_what_went_wrong_is_a_failure():
    assert [outcome.failed for outcome in outcomes()] == [False, True, False]


def test_json_keeps_every_digit():
    told = json.loads(json.dumps(outcomes()[1].to_json()))
    assert (told["number"], told["status"], told["figures"][0]["value"]) == (3, "stopped after 75 s", 12345.6)
