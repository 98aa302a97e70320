"""Arrays out of chunks."""

import numpy as np
import pytest

from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import open_table, read_annotations
from shards.labels.cells import MINUS_ONE, NO_LABEL, label_cells
from shards.labels.collector import collect
from shards.labels.selection import Selection
from shards.labels.table import Attribute, Chunk, Columns

CELLS = label_cells()
COLUMNS = Columns(key=0, attributes=(Attribute("A", 1, CELLS), Attribute("B", 2, CELLS)))


class Rows:
    """A table of these rows, in chunks of two."""

    name, header = "rows", ("image", "A", "B")

    def __init__(self, *rows):
        self._rows = rows

    def chunks(self, _):
        for start in range(0, len(self._rows), 2):
            rows = self._rows[start : start + 2]
            yield Chunk([file for file, *_ in rows], bytes(code for _, *codes in rows for code in codes))

    def where(self, row):
        return f"row {row}"


def test_names_are_as_wide_as_the_longest_and_minus_1_becomes_0():
    found = collect(Rows(("b", 1, MINUS_ONE), ("a", 1, 1), ("./über/a", 1, NO_LABEL)), COLUMNS)
    assert found.files.tolist() == [b"b", b"a", "über/a".encode()]
    assert found.files.dtype == "S7"
    assert found.codes.dtype == np.uint8
    assert found.codes.tolist() == [[1, 0], [1, 1], [1, NO_LABEL]]


def test_of_several_images_that_stand_twice_the_first_is_named():
    with pytest.raises(DataError, match="rows, row 3: c stands in the file twice, first in row 0; remove one"):
        collect(Rows(*((file, 1, 1) for file in ["c", "b", "a", "c", "a", "c"])), COLUMNS)


def test_the_same_image_with_and_without_a_dot_stands_twice():
    with pytest.raises(DataError, match="rows, row 1: a stands in the file twice, first in row 0"):
        collect(Rows(("a", 1, 1), ("./a", 1, 1)), COLUMNS)


def test_no_rows():
    with pytest.raises(DataError, match="rows: has no rows"):
        collect(Rows(), COLUMNS)


@pytest.fixture
def read(tmp_path):
    def from_text(text, **selection):
        (tmp_path / "labels.csv").write_text(text)
        return read_annotations(tmp_path / "labels.csv", Selection(**selection), name="labels.csv").labels.tolist()

    return from_text


CHEXPERT = "Path,Pleural Other,Pneumonia\n1.jpg,,0.0\n2.jpg,1.0,\n3.jpg,-1.0,0.0\n"


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (("-1=unlabelled",), [[-1, 0], [1, -1], [-1, 0]]),
        (("-1=0",), [[-1, 0], [1, -1], [0, 0]]),
        (("-1=1",), [[-1, 0], [1, -1], [1, 0]]),
        (("0=unlabelled",), [[-1, -1], [1, -1], [0, -1]]),
    ],
)
def test_what_minus_1_means_beside_0_has_to_be_said(read, values, labels):
    with pytest.raises(DataError, match=r"labels.csv: Pneumonia writes a negative label as 0, and Pleural Other as -1; if -1 means"):
        read(CHEXPERT)
    assert read(CHEXPERT, values=values) == labels


def test_a_column_that_is_left_out_tells_what_minus_1_means(read):
    message = "labels.csv: Pneumonia, which is no attribute, writes a negative label as 0, and Pleural Other as -1"
    for selection in ({"columns": ("Pleural Other",)}, {"drop_columns": ("Pneumonia",)}):
        with pytest.raises(DataError, match=message):
            read(CHEXPERT, **selection)
    # Ages, names and the like tell nothing.
    assert read("f,age,A\n1.jpg,0,-1\n2.jpg,30,1\n", columns=("A",)) == [[0], [1]]


def test_words_and_minus_1_in_one_file(read):
    with pytest.raises(DataError, match=r"labels.csv: A writes a negative label as 0, and B as -1"):
        read("f,A,B\n1.jpg,false,-1\n2.jpg,true,1\n")


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"values": ("mael=1",)}, "--values 'mael=1': no label cell of labels.csv holds 'mael'; leave it out"),
        ({"columns": ("sex=Mael",)}, r"--columns 'sex=Mael': no cell of sex is 'Mael'; did you mean 'Male'\? \(sex has Female, Male\)"),
        ({"columns": ("found~Mas",)}, r"--columns 'found~Mas': no cell of found is 'Mas'; did you mean 'Mass'"),
    ],
)
def test_what_no_cell_holds_is_refused(read, selection, message):
    with pytest.raises(ConfigurationError, match=message):
        read(
            "f,sex,found,A\n1.jpg,Male,Mass|Nodule,1\n2.jpg,Female,,0\n",
            drop_columns=() if "columns" in selection else ("sex", "found"),
            **selection,
        )


def test_texts_are_trimmed_and_follow_their_rows(tmp_path):
    (tmp_path / "t.csv").write_text("f,A,who\n" + "".join(f"{number}.jpg,1, p{number} \n" for number in range(5000)))
    columns = Columns(key=0, attributes=(Attribute("A", 1, CELLS),), texts=(2,))
    (who,) = collect(open_table(tmp_path / "t.csv", "t"), columns).texts
    assert (len(who), who[0], who[4999]) == (5000, b"p0", b"p4999")
