"""Lines and rows of text files."""

import pytest

from shards.errors import DataError
from shards.labels.cells import label_cells
from shards.labels.table import Attribute, Columns
from shards.labels.text_file import TextFile
from shards.labels.text_table import TextTable


def test_lines_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\x0bc\n\nd")
    assert list(TextFile(path, "lines").lines()) == ["a\r\n", "b\x0bc\n", "\n", "d"]


@pytest.mark.parametrize("ends", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_of_every_kind_of_end_and_encoding(tmp_path, ends, encoding):
    (tmp_path / "lines").write_bytes(ends.join(["ä", "", "b", ""]).encode(encoding))
    assert [line.strip() for line in TextFile(tmp_path / "lines", "lines").lines()] == ["ä", "", "b"]


@pytest.mark.parametrize("content", [b"a\nb\n\xe9\n", b"a\rb\r\xe9\r", b"\xff\xfea\0\n\0b"], ids=["utf-8", "old-mac", "utf-16"])
def test_a_line_number_for_bytes_that_are_no_text(tmp_path, content):
    (tmp_path / "lines").write_bytes(content)
    with pytest.raises(DataError, match=r"^lines, line \d: is not UTF-8"):
        list(TextFile(tmp_path / "lines", "lines").lines())


@pytest.fixture
def table(tmp_path):
    def of(text, **options):
        (tmp_path / "t").write_text(text, newline="")
        return TextTable(TextFile(tmp_path / "t", "t"), **options)

    return of


@pytest.mark.parametrize(
    ("text", "header", "notes"),
    [
        ("f,A,B\n1,2,3\n", ("f", "A", "B"), ()),
        ("f;A, large;B\n1;2;3\n", ("f", "A, large", "B"), ("separator: semicolon",)),
        ("f\tA, large\tB b\n1\t2\t3\n", ("f", "A, large", "B b"), ("separator: tab",)),
        ("f|A|B\n1|2|3\n", ("f", "A", "B"), ("separator: bar",)),
        ("f  A B\n1 2   3\n", ("f", "A", "B"), ("separator: blanks",)),
        ("sep=,\nf,A,B\n1,2,3\n", ("f", "A", "B"), ()),
        ("sep=;\nf;A;B\n1;2;3\n", ("f", "A", "B"), ("separator: semicolon",)),
        ("sep=^\nf^A^B\n1^2^3\n", ("f", "A", "B"), ("separator: ^",)),
        ("1\nA B \n1  2  3\n", ("", "A", "B"), ()),
        ("1\nA,B\n1,2,3\n", ("", "A", "B"), ()),
        ("1\nimage_id,A,B\n1,2,3\n", ("image_id", "A", "B"), ()),
        ("1\nimage_name evaluation\n1 2\n", ("image_name", "evaluation"), ()),
        ('"f","A, B",C\n"1, 2",3,4\n', ("f", "A, B", "C"), ()),
    ],
)
def test_what_splits_all_rows_alike_is_the_separator(table, text, header, notes):
    read = table(text)
    assert (read.header, read.notes) == (header, notes)
    assert [len(row) for row in read.rows()] == [len(header)]


def test_two_separators_that_fit_alike_are_not_guessed(table):
    with pytest.raises(DataError, match="t: comma and semicolon both split its rows alike; begin the file with a line sep=,"):
        table("f;A,B\n1;2,3\n4;5,6\n")


def test_an_official_file_with_one_name_too_many_is_not_shifted(table):
    # As many names as cells: with the first taken for the images' column every label would move by one.
    read = table("1\nYoung Male Bald\n1.jpg 1 -1\n")
    assert (read.header, read.num_cells, read.names_key) == (("", "Young", "Male", "Bald"), 4, False)


def test_deepfashions_names_lie_beside(table, tmp_path):
    text = "1\nimage_name  attribute_labels\nimg/a.jpg  1 -1  0\n"
    with pytest.raises(DataError, match=r"t, line 2: the header has two names.*DeepFashion keeps the names .* in list_attr_cloth.txt"):
        table(text)
    (tmp_path / "list_attr_cloth.txt").write_text("3\nattribute_name  attribute_type\na-line        3\nacid wash  2\nsleeve 1\n")
    assert table(text).header == ("image_name", "a-line", "acid wash", "sleeve")


def test_a_first_row_that_is_no_header(table):
    read = table("a.jpg 0\nb.jpg 1\n", is_header=lambda first: first[1] not in "012")
    assert read.header == ("", "")
    assert list(read.rows()) == [["a.jpg", "0"], ["b.jpg", "1"]]
    assert read.where(1) == "line 2"


@pytest.mark.parametrize(("positions", "labels"), [((1, 2, 3), [1, 3, 1]), ((2,), [3]), ((3, 1), [1, 1])])
def test_chunks_hold_the_chosen_cells(table, positions, labels):
    read = table("f,A,B,C\n" + "file,1,-1,1\n" * 5000)
    cells = label_cells()
    columns = Columns(key=0, attributes=tuple(Attribute(f"A{position}", position, cells) for position in positions), texts=(0,))
    chunks = list(read.chunks(columns))
    assert len(chunks) > 1
    assert sum(len(chunk.files) for chunk in chunks) == 5000
    assert all(chunk.codes == bytes(labels) * len(chunk.files) for chunk in chunks)
    assert all(chunk.texts == (chunk.files,) for chunk in chunks)


@pytest.mark.parametrize("separator", ['"', "\0", "\x1b"])
def test_a_separator_that_cannot_be_one_is_refused(table, separator):
    with pytest.raises(DataError, match=r"t, line 1: names .* as the separator of cells; use a comma"):
        table(f"sep={separator}\nf,A\n1,2\n")
