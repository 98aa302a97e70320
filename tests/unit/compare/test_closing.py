from rich.cells import cell_len

from engine.compare.closing import closing_table, plain_lines
from tests.unit.compare.found import difference, findings, variant


def test_the_small_table_joins_both():
    found = findings(
        variant("stl", to_baseline=difference(1)), variant("mtl", suffering=(True, False)), variant("顔", to_baseline=difference(2, 0.01))
    )
    table = closing_table(found)
    assert table.columns == ("balanced accuracy", "to mtl, points", "adjusted", "Δm, %", "negative transfer", "time")
    assert [[cell.text for cell in row.cells] for row in table.rows][1] == [
        "0.800 ± 0.010",
        "n/a",
        "n/a",
        "-1.50 ± 0.01",
        "1 of 2",
        "12.0 s",
    ]
    assert [cell.text for cell in table.rows[-1].cells] == ["0.500", "", "", "", "", ""]
    lines = plain_lines(table)
    assert len(lines) == 5
    # Whatever the names' width, the columns end at the same cell.
    assert len({cell_len(line) for line in lines[:4]}) == 1
