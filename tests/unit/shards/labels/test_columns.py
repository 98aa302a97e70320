"""Cells and the choice of columns."""

import pytest

from shards.labels.columns import LABEL_CELLS, MINUS_ONE, NO_LABEL, SPLIT_CELLS, Columns, Selection, select


@pytest.mark.parametrize(
    ("cell", "code"), [("1", 1), ("0", 0), ("-1", MINUS_ONE), (" 1\t", 1), ("TRUE", 1), (" False", 0), ("", NO_LABEL), ("  ", NO_LABEL)]
)
def test_spelling_of_a_label(cell, code):
    assert LABEL_CELLS.allow(cell)
    assert LABEL_CELLS[cell] == code
    # The second look finds what the first has kept.
    assert LABEL_CELLS[cell] == code


@pytest.mark.parametrize("cell", ["2", "nan", "+1", "1.5", "yes", " x "])
def test_no_label(cell):
    assert not LABEL_CELLS.allow(cell)
    with pytest.raises(KeyError):
        LABEL_CELLS[cell]


def test_kept_spellings_are_bounded():
    for width in range(1000):
        assert SPLIT_CELLS["val".rjust(width)] == 1
    assert len(SPLIT_CELLS) < 300


def test_by_default_the_first_column_is_the_image_and_the_others_are_labels():
    assert select(["", " A ", "B"], Selection(), file="f", where="f, line 1") == Columns(key=0, positions=(1, 2), names=("A", "B"))


def test_chosen_columns_in_their_order_whatever_else_there_is():
    selection = Selection(key_column="image", columns=("B", "A"))
    assert select(["A", "image", "", "", "B"], selection, file="f", where="f, line 1") == Columns(key=1, positions=(4, 0), names=("B", "A"))
