"""The history that docs/dst.md works out by hand, number for number: page and code cannot drift apart."""

import re
from pathlib import Path

import numpy as np
import pytest

from engine.dst.signals import (
    count_metric,
    depth_metric,
    incompleteness_metric,
    progress,
    relative_change,
    remaining_share,
    stagnancy_metric,
)
from tests.unit.dst import built

PAGE = (Path(__file__).parents[3] / "docs" / "dst.md").read_text(encoding="utf-8")
Table = dict[str, list[str]]
HALF_A_DIGIT = 0.5e-6 + 1e-12


def table(text: str) -> Table:
    """The first table of a text: name of a row -> its cells; the header's name is empty."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {name: cells for name, *cells in rows}


CHAPTER = re.search(r"^## A history by hand\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE).group(1)
GIVEN_TEXT, *EPOCH_TEXTS = re.split(r"^\*\*Epoch \d\.\*\*", CHAPTER, flags=re.MULTILINE)
GIVEN = table(GIVEN_TEXT)
EPOCHS = dict(enumerate(map(table, EPOCH_TEXTS), start=1))


def given(name: str) -> np.ndarray:
    return np.array(GIVEN[name], np.float64)


def losses(epoch: int) -> np.ndarray:
    return given(f"V({epoch})")


def computed(epoch: int) -> dict[str, np.ndarray]:
    """Every number of an epoch's table, by the code: the tasks' values, then their mean."""
    scheduler = built.scheduler(built.facts(GIVEN[""], given("d").astype(int).tolist(), given("c").astype(int).tolist()))
    for number in range(1, epoch):
        scheduler.observe(number - 1, losses(number))
    rows = {"P": scheduler.probabilities(epoch - 1), "Pu": np.ones(4), "Pr": np.ones(4)}
    if epoch >= 2:
        rows["I"] = remaining_share(losses(1), losses(epoch - 1))
        rows["Pu"] = incompleteness_metric(losses(1), losses(epoch - 1))
    if epoch >= 3:
        rows["R"] = relative_change(losses(epoch - 2), losses(epoch - 1), rows["Pu"])
        rows["R′"] = progress(rows["R"])
        rows["Pr"] = stagnancy_metric(losses(epoch - 2), losses(epoch - 1), rows["Pu"])
        # The paper's quotient, where it is defined.
        moved = rows["R"] != 0
        rows["mean R / R"] = np.where(moved, rows["R"].mean() / np.where(moved, rows["R"], 1), np.nan)
    return {name: np.append(values, values.mean()) for name, values in rows.items()}


def test_the_page_holds_what_it_promises():
    assert list(EPOCHS) == [1, 2, 3, 4, 5, 6]
    assert all(set(rows) >= {"Pu", "Pr", "P"} for rows in EPOCHS.values())
    assert all(set(EPOCHS[epoch]) >= {"I", "R", "R′"} for epoch in (3, 4, 5, 6))
    assert all(rows[""] == [*GIVEN[""], "mean"] for rows in EPOCHS.values())
    # Numbers in the six tables; an empty cell is none.
    assert sum(cell != "" for rows in EPOCHS.values() for name, cells in rows.items() if name for cell in cells) == 144
    changes = np.diff([losses(epoch) for epoch in range(1, 6)], axis=0)
    assert (changes > 0).any()
    assert (changes == 0).any()


def test_depth_and_count():
    assert given("Pd") == pytest.approx(depth_metric(given("d")), abs=HALF_A_DIGIT)
    assert given("Pc") == pytest.approx(count_metric(given("c")), abs=HALF_A_DIGIT)


@pytest.mark.parametrize(("epoch", "name"), [(epoch, name) for epoch, rows in EPOCHS.items() for name in rows if name])
def test_every_number_is_the_codes(epoch, name):
    values = computed(epoch)[name]
    cells = EPOCHS[epoch][name]
    assert len(cells) == 5
    for cell, value in zip(cells, values, strict=True):
        assert cell == "" or float(cell) == pytest.approx(value, abs=HALF_A_DIGIT)


@pytest.mark.parametrize("epoch", [3, 6])
def test_the_papers_quotient_where_all_losses_fall(epoch):
    rows = computed(epoch)
    assert (rows["R"] < 0).all()
    assert rows["Pr"][:4] == pytest.approx(np.minimum(1, rows["mean R / R"][:4]))
