from engine.compare.findings import Difference
from engine.compare.tables import MINUS, Cell, make_tables, measures_table, with_minus
from tests.unit.compare.found import difference, findings, spread, variant


def names_of(table):
    return tuple(head.name for head in table.heads)


def columns_of(table):
    return {head: [row.cells[place].text for row in table.rows] for place, head in enumerate(names_of(table))}


def found():
    return findings(
        variant("stl", value=0.85, to_baseline=difference(2.5, 0.01)),
        variant("mtl", value=0.8, suffering=(True, False)),
        variant("dst", value=0.9, to_baseline=difference(-0.3, 0.6), suffering=(False, False), probability=0.5),
    )


def test_the_best_of_each_measure_is_marked_and_the_reference_closes():
    table = measures_table(found())
    assert names_of(table)[:2] == ("balanced accuracy", "accuracy")
    assert [row.name for row in table.rows] == ["stl", "mtl", "dst", "without a model"]
    assert [row.cells[0] for row in table.rows] == [
        Cell(text="0.850 ± 0.010"),
        Cell(text="0.800 ± 0.010"),
        Cell(text="0.900 ± 0.010", mark="best"),
        Cell(text="0.500"),
    ]
    # Of the calibration error the lowest is best.
    assert [row.cells[-1].mark for row in table.rows] == [None, "best", None, None]
    assert table.rows[-1].is_reference


def test_the_chosen_measure_comes_first_and_each_once():
    names = names_of(measures_table(findings(variant("mtl"), metric="f1")))
    assert names[0] == "F1"
    assert sorted(names) == sorted(names_of(measures_table(findings(variant("mtl")))))


def test_one_variant_alone_is_not_the_best():
    assert not any(cell.mark for row in measures_table(findings(variant("mtl"))).rows for cell in row.cells)


def test_against_the_baselines():
    table = make_tables(found())[1]
    columns = columns_of(table)
    assert columns["to mtl, points"] == ["+2.50 ± 1.00", "n/a", with_minus("-0.30 ± 1.00")]
    assert columns["95 % of resamples"] == ["+1.50 to +3.50", "n/a", with_minus("-1.30 to +0.70")]
    assert columns["p (bootstrap)"] == ["0.005", "n/a", "0.300"]
    assert columns["p (seeds)"] == ["0.010", "n/a", "0.600"]
    assert columns["adjusted"] == ["0.020", "n/a", "1.000"]
    assert columns["Δm, %"] == ["n/a", with_minus("-1.50 ± 0.01"), with_minus("-1.50 ± 0.01")]
    assert columns["negative transfer"] == ["n/a", "1 of 2", "0 of 2"]
    assert columns["time"] == ["12.0 s"] * 3
    assert [row.cells[6].mark for row in table.rows] == [None, "harm", None]
    assert with_minus("-2 standard errors (sd(d) / √S)") in table.caption


def test_per_task():
    made = found()
    per_task, to_baseline, to_single = make_tables(made)[2:]
    assert names_of(per_task) == ("stl", "mtl", "dst", "without a model")
    assert [row.name for row in per_task.rows] == ["Young", "Bald", made.variants[0].overall.task]
    assert [cell.text for cell in per_task.rows[0].cells] == ["0.850 ± 0.010", "0.800 ± 0.010", "0.900 ± 0.010", "0.500"]
    assert names_of(to_baseline) == ("stl points", "stl p", "stl adjusted", "dst points", "dst p", "dst adjusted")
    assert [cell.text for cell in to_baseline.rows[0].cells] == [
        "+2.50 ± 1.00",
        "0.005",
        "0.020",
        with_minus("-0.30 ± 1.00"),
        "0.300",
        "1.000",
    ]
    assert [cell.mark for cell in to_baseline.rows[0].cells] == ["gain", *[None] * 5]
    assert names_of(to_single) == ("mtl", "dst")
    assert [[cell.mark for cell in row.cells] for row in to_single.rows] == [["harm", None], [None, None], [None, None]]


def test_a_significant_loss_is_marked_as_harm_and_a_chance_one_not_at_all():
    made = findings(variant("mtl"), variant("dst", to_baseline=difference(-3, 0.01)), variant("random", to_baseline=difference(-3, 0.3)))
    table = make_tables(made)[3]
    assert table.title == "Difference to mtl per task"
    assert [[cell.mark for cell in row.cells] for row in table.rows] == [["harm", None, None, None, None, None]] * 3
    assert "▲: above mtl, ▼: below mtl, adjusted p below 0.05" in table.caption


def test_no_hyphen_stands_for_a_minus_and_no_name_loses_its_own():
    made = findings(variant("mtl", suffering=(True, False)), variant("a-b", to_baseline=difference(-3)), tasks=("Young", "Bald"))
    tables = make_tables(made)
    texts = [cell.text for table in tables for row in table.rows for cell in row.cells]
    assert not any("-" in text for text in texts)
    assert sum(MINUS in text for text in texts) == 9
    assert tables[0].rows[1].name == "a-b"
    assert names_of(tables[3])[0] == "a-b points"


def test_what_rounds_to_zero_has_no_sign():
    for value in (0.0004, -0.0004):
        made = findings(variant("mtl", suffering=(True, False), relative_gain=spread(value, None)))
        assert columns_of(make_tables(made)[1])["Δm, %"] == ["0.00"]


def test_what_was_not_measured_says_so():
    unknown = Difference(mean=None, standard_error=None)
    table = make_tables(findings(variant("mtl"), variant("dst", to_baseline=unknown)))[1]
    assert [cell.text for cell in table.rows[1].cells] == ["n/a"] * 7 + ["12.0 s"]
    one = findings(variant("mtl"), variant("dst", to_baseline=difference(1, None)), seeds=(0,))
    assert columns_of(make_tables(one)[1])["to mtl, points"] == ["n/a", "+1.00"]
    assert columns_of(make_tables(one)[1])["adjusted"] == ["n/a", "n/a"]


def test_without_baselines_their_tables_are_left_out():
    assert [table.title for table in make_tables(findings(variant("dst"), variant("random")))] == [
        "Result on test",
        "Against mtl and stl",
        "Balanced accuracy per task",
    ]


def test_a_spread_of_one_seed_has_no_deviation():
    single = findings(variant("mtl", relative_gain=spread(2.0, None), suffering=(None, True)), seeds=(0,))
    assert columns_of(make_tables(single)[1])["Δm, %"] == ["+2.00"]
    assert columns_of(make_tables(single)[1])["negative transfer"] == ["1 of 1"]
