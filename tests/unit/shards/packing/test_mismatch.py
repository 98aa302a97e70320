"""What is said when rows and files do not meet: the one change by which most rows would."""

import numpy as np
import pytest

from shards.packing.images import Listing
from shards.packing.mismatch import advice


def names(*files: str) -> np.ndarray:
    return np.array([file.encode() for file in files], np.bytes_)


def listing(*files: str) -> Listing:
    return Listing(np.sort(names(*files)), np.ones(len(files), np.int64), np.ones(len(files), np.uint32))


@pytest.mark.parametrize(
    ("files", "rows", "said"),
    [
        (
            ["000001.jpg", "000002.jpg"],
            ["1.jpg", "2.jpg", "7.jpg"],
            "write the numbers with leading zeros, 6 digits each (a spreadsheet drops them), and 2 of 3 rows would match",
        ),
        (["img_1.jpg", "img_2.jpg"], ["x1", "x2"], "; the first file there is 'img_1.jpg'"),
        (["img_11.jpg", "img_12.jpg"], ["11", "12"], "put 'img_' before the table's names, and 2 of 2 rows would match"),
        (["11_face.jpg", "12_face.jpg"], ["11.jpg", "12.jpg"], "put '_face' behind the table's names, and 2 of 2 rows would match"),
        (["11.jpg", "12.jpg"], ["img_11.jpg", "img_12.jpg"], "take 'img_' from the beginning of the table's names, and 2 of 2"),
        (["Set A/x/1.jpg", "Set A/x/2.jpg"], ["x/1.jpg", "x/2.jpg"], "try --images data/images/Set A, and 2 of 2 rows would match"),
        (["1.jpg", "2.jpg"], ["images/1.jpg", "images/2.jpg"], "try --images data, and 2 of 2 rows would match"),
        (["1.jpg", "2.jpg"], ["old/set/1.jpg", "old/set/2.jpg"], "take 'old/set/' from the beginning of the table's names, and 2 of 2"),
        (["a/1.jpg", "b/1.jpg"], ["1.jpg"], "2 files fit that row, 'a/1.jpg' and 'b/1.jpg' among them: write the path in the table"),
        (["._1.jpg", ".DS_Store"], ["2.jpg"], "; data/images holds only hidden files"),
    ],
)
def test_the_change_that_makes_most_rows_match(files, rows, said):
    assert said in advice("data/images/", listing(*files), names(*rows)).replace("images//", "images/").replace(
        "images/ holds", "images holds"
    )


def test_a_change_that_makes_nothing_match_is_not_told():
    told = advice("images", listing("a.jpg"), names("12.jpg"))
    assert told == "; the first file there is 'a.jpg'"
