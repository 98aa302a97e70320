"""Lines and rows of text files."""

import pytest

from shards.errors import DataError
from shards.labels.columns import OFFICIAL_LABEL_CELLS, Columns
from shards.labels.text_table import TextFile, TextTable


def test_lines_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\x0bc\n\nd")
    assert list(TextFile(path, "lines").lines()) == ["a\r\n", "b\x0bc\n", "\n", "d"]


def test_a_line_number_for_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\n\xe9\n")
    with pytest.raises(DataError, match=r"^lines, line 3: is not UTF-8"):
        list(TextFile(path, "lines").lines())


@pytest.mark.parametrize(("positions", "labels"), [((1, 2, 3), [1, 3, 1]), ((2,), [3]), ((3, 1), [1, 1])])
def test_chunks_hold_the_chosen_cells(tmp_path, positions, labels):
    table = TextTable(
        file=TextFile(tmp_path, "rows"),
        columns=Columns(key=0, positions=positions, names=tuple(f"A{position}" for position in positions)),
        num_cells=4,
        cells=OFFICIAL_LABEL_CELLS,
        rows=lambda: iter([["file", "1", "-1", "1"]] * 5000),
        line_of=lambda row: row + 1,
    )
    chunks = list(table.chunks())
    assert [len(chunk.files) for chunk in chunks] == [4096, 904]
    assert all(chunk.codes == bytes(labels) * len(chunk.files) for chunk in chunks)
