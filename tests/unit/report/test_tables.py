import pytest
from rich.cells import cell_len
from rich.console import Console

from engine.report.columns import EPOCH_COLUMNS, TEST_COLUMNS
from engine.report.rows import TaskRow, epoch_rows, metric_rows
from engine.report.tables import in_terminal

LONG = ("5_o_Clock_Shadow", "Mouth_Slightly_Open", "Receding_Hairline", "Wearing_Necklace", "Young")


def drawn(rows, columns, width: int, **options) -> list[str]:
    console = Console(width=width, legacy_windows=False, **options)
    with console.capture() as capture:
        console.print(in_terminal(rows, columns, width))
    return capture.get().splitlines()


def test_an_epochs_table_by_hand(make):
    lines = drawn(epoch_rows(make.history(make.run, make.epoch, make.eval), 0), EPOCH_COLUMNS, 80)
    cells = [line.split() for line in lines]
    assert ["Young", "1.00", "100", "%", "0.500", "0.400", "0.900", "0.750", "0.800", "0.900", "0.850"] in cells
    assert ["Wearing_Hat", "0.80", "75", "%", "0.250", "0.200", "0.970", "≤", "1.000", "n/a", "n/a", "n/a"] in cells
    assert cells[-1] == ["mean", "0.90", "88", "%", "0.375", "0.300", "0.935", "0.875", "0.800", "0.900", "0.850"]


def test_eighty_columns_hold_all_columns_and_long_names_in_full(make):
    behind = make.replace(make.metrics, accuracy=0.7)
    rows = [TaskRow(task=task, probability=1.0, active_share=1.0, train_loss=0.5, metrics=behind) for task in LONG]
    lines = drawn(rows, EPOCH_COLUMNS, 80)
    assert max(cell_len(line) for line in lines) <= 80
    assert [line.split()[0] for line in lines[3:8]] == list(LONG)
    assert all(head in lines[1] for head in ("P", "loss", "acc.", "F1", "AUROC"))
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("width", [30, 40, 50, 60, 70, 79, 80, 100])
@pytest.mark.parametrize("columns", [EPOCH_COLUMNS, TEST_COLUMNS])
def test_a_narrow_terminal_loses_columns_but_not_the_comparison(make, width, columns):
    rows = [TaskRow(task=task, probability=1.0, active_share=1.0, train_loss=0.5, metrics=make.metrics) for task in LONG]
    lines = drawn(rows, columns, width)
    assert max(cell_len(line) for line in lines) <= width
    assert all("0.900" in line and "0.750" in line and "0.800" in line for line in lines[3:8])


def test_accuracy_not_above_the_majority_is_marked(make):
    table = in_terminal(metric_rows([make.metrics, make.replace(make.metrics, accuracy=0.75)]), TEST_COLUMNS, 80)
    accuracy, majority = ([str(cell) for cell in column.cells] for column in table.columns[2:4])
    styles = [cell.style for cell in table.columns[2].cells]
    assert accuracy == ["0.900", "0.750", "0.825"]
    assert majority == ["0.750", "≤ 0.750", "0.750"]
    assert styles == ["", "red", ""]


def test_f1_not_above_that_of_always_answering_present_is_marked(make):
    poor = make.replace(make.metrics, f1=0.8)
    table = in_terminal(metric_rows([make.metrics, poor, make.constant]), TEST_COLUMNS, 100)
    f1, all_positive = table.columns[5:7]
    assert [str(cell) for cell in f1.cells] == ["0.900", "0.800", "n/a", "0.850"]
    assert [str(cell) for cell in all_positive.cells] == ["0.857", "≤ 0.857", "n/a", "≤ 0.857"]
    assert [cell.style for cell in f1.cells] == [cell.style for cell in all_positive.cells] == ["", "red", "", "red"]


@pytest.mark.parametrize("columns", [EPOCH_COLUMNS, TEST_COLUMNS])
def test_thresholds_are_shown_where_one_is_not_half(make, columns):
    rows = [TaskRow(task=task, probability=1.0, active_share=1.0, train_loss=0.5, metrics=make.metrics) for task in LONG]
    assert not any("thre-" in line for line in drawn(rows, columns, 100))
    rows[1] = make.replace(rows[1], metrics=make.replace(make.metrics, threshold=0.234))
    lines = drawn(rows, columns, 100)
    assert [line.split()[-1] for line in lines[3:8]] == ["0.500", "0.234", "0.500", "0.500", "0.500"]
    assert lines[-1].split()[-1] == "n/a"
    assert "thre-" in lines[0]


@pytest.mark.parametrize("columns", [EPOCH_COLUMNS, TEST_COLUMNS])
def test_a_hundred_columns_hold_everything_there_is(make, columns):
    worst = make.replace(make.metrics, accuracy=0.7, f1=0.7, threshold=0.234)
    rows = [TaskRow(task=task, probability=1.0, active_share=1.0, train_loss=0.5, metrics=worst) for task in LONG]
    lines = drawn(rows, columns, 100)
    assert max(cell_len(line) for line in lines) <= 100
    heads = [set(line.split()) for line in lines[:2]]
    assert all(upper in heads[0] | {""} and lower in heads[1] for upper, lower in (column.head for column in columns))


def test_a_hostile_name_is_text_and_nothing_else(make):
    lines = drawn([TaskRow(task=make.hostile, metrics=make.metrics)], TEST_COLUMNS, 100, force_terminal=True, color_system=None)
    text = "\n".join(lines)
    assert "<script>alert(1)</script>[red]\\x1b[31m$x_" in text
    assert "\x1b[31m" not in text
