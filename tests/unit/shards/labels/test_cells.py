"""What cells mean."""

import pytest

from shards.errors import ConfigurationError
from shards.labels.cells import MINUS_ONE, NO_LABEL, SPLIT_CELLS, Bound, Category, Word, flag_cells, label_cells, number_of, parse_rules


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("1", 1),
        ("0", 0),
        ("-1", MINUS_ONE),
        (" 1\t", 1),
        ("1.0", 1),
        ("-1.00", MINUS_ONE),
        ("TRUE", 1),
        (" False", 0),
        ("Yes", 1),
        ("n", 0),
        ("", NO_LABEL),
        ("  ", NO_LABEL),
    ],
)
def test_spelling_of_a_label(cell, code):
    cells = label_cells()
    assert cells.allow(cell)
    assert cells[cell] == code
    # The second look finds what the first has kept.
    assert cells[cell] == code


@pytest.mark.parametrize("cell", ["2", "nan", "+1", "1.5", "maybe", " x ", "-0.5"])
def test_no_label(cell):
    assert not label_cells().allow(cell)
    with pytest.raises(KeyError):
        label_cells()[cell]


def test_kept_spellings_are_bounded():
    for width in range(1000):
        assert SPLIT_CELLS["val".rjust(width)] == 1
    assert len(SPLIT_CELLS) < 300


@pytest.mark.parametrize(("word", "code"), [("Train", 0), ("training", 0), ("dev", 1), ("validation", 1), ("TESTING", 2), ("2", 2)])
def test_words_for_splits(word, code):
    assert SPLIT_CELLS[word] == code


def test_rules_give_cells_another_meaning_in_whatever_spelling():
    rules = parse_rules(["-1=unlabelled", "Male=1", "fe male=0"])
    cells = label_cells(rules)
    by_code = {rule.code: rule.meaning for rule in rules}
    assert [by_code[cells[cell]] for cell in ("-1", "-1.0", " MALE", "Fe male")] == [NO_LABEL, NO_LABEL, 1, 0]
    assert (cells["0"], cells["1"]) == (0, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["Male"], "--values 'Male': expected CELL=1, CELL=0 or CELL=unlabelled"),
        (["Male=2"], "--values 'Male=2': expected CELL=1"),
        (["-1=0", "-1.0=1"], "--values: says twice what a cell '-1.0' is"),
        ([f"{number}=1" for number in range(5, 100)], "at most 64 are allowed"),
    ],
)
def test_rules_refuse(values, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_rules(values)


def test_a_category_is_1_another_0_and_nothing_none():
    cells = Category("East Asian", parse_rules(["unknown=unlabelled"]))
    rule = parse_rules(["unknown=unlabelled"])[0]
    assert [cells[cell] for cell in ("East Asian", " east asian ", "Black", "", "Unknown")] == [1, 1, 0, NO_LABEL, rule.code]


def test_a_word_is_one_of_several():
    cells = Word("Mass", ())
    assert [cells[cell] for cell in ("Mass", "Nodule| mass", "Massive|Nodule", "No Finding", "")] == [1, 1, 0, 0, NO_LABEL]


@pytest.mark.parametrize(
    ("operator", "labels"), [(">=", [0, 1, 1]), (">", [0, 0, 1]), ("<=", [1, 1, 0]), ("<", [1, 0, 0])], ids=["ge", "gt", "le", "lt"]
)
def test_a_bound_on_numbers(operator, labels):
    cells = Bound(operator, "50", ())
    assert [cells[cell] for cell in ("49.9", "50", "5e2")] == labels
    assert cells[" "] == NO_LABEL
    for cell in ("more than 70", "nan", "inf", "3-9", "0x10"):
        assert not cells.allow(cell)


def test_what_is_a_number():
    assert [number_of(cell) for cell in ("1", "-1.5", ".5", "1e3")] == [1, -1.5, 0.5, 1000]
    with pytest.raises(ValueError, match="'nan' is no number"):
        number_of("nan")


@pytest.mark.parametrize(("header", "no", "yes"), [("is_train", 2, 0), ("Is_Training_Image", 2, 0), ("is_val", 0, 1), ("test", 0, 2)])
def test_yes_and_no_of_a_split(header, no, yes):
    cells = flag_cells(header)
    assert [cells[cell] for cell in ("0", "1", "False", "yes")] == [no, yes, no, yes]
    assert not cells.allow("2")
    assert flag_cells("split") is None
