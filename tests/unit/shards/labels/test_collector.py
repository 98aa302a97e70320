"""Arrays out of chunks."""

import numpy as np
import pytest

from shards.errors import DataError
from shards.labels.collector import Chunk, collect
from shards.labels.columns import MINUS_ONE, NO_LABEL, Columns


class Rows:
    """A table of these rows, in chunks of two."""

    name = "rows"
    columns = Columns(key=0, positions=(1, 2), names=("A", "B"))

    def __init__(self, *rows):
        self.rows = rows

    def chunks(self):
        for start in range(0, len(self.rows), 2):
            rows = self.rows[start : start + 2]
            yield Chunk([file for file, *_ in rows], bytes(code for _, *codes in rows for code in codes))

    def where(self, row):
        return f"row {row}"


def test_names_are_as_wide_as_the_longest_and_minus_1_becomes_0():
    files, codes = collect(Rows(("b", 0, MINUS_ONE), ("a", 1, 1), ("./über/a", 1, NO_LABEL)))
    assert files.tolist() == [b"b", b"a", "über/a".encode()]
    assert files.dtype == "S7"
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[0, 0], [1, 1], [1, NO_LABEL]]


def test_of_several_images_that_stand_twice_the_first_is_named():
    with pytest.raises(DataError, match="rows, row 3: c stands in the file twice, first in row 0; remove one"):
        collect(Rows(*((file, 1, 1) for file in ["c", "b", "a", "c", "a", "c"])))


def test_the_same_image_with_and_without_a_dot_stands_twice():
    with pytest.raises(DataError, match="rows, row 1: a stands in the file twice, first in row 0"):
        collect(Rows(("a", 1, 1), ("./a", 1, 1)))


def test_no_rows():
    with pytest.raises(DataError, match="rows: has no rows"):
        collect(Rows())
