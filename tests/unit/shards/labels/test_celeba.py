"""CelebA's own text files."""

from pathlib import Path

import numpy as np
import pytest

from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import attribute_names, read_annotations
from shards.labels.partition import read_partition
from shards.labels.selection import Selection

# Exactly as CelebA writes it: a trailing blank after the names, values padded to two columns, a final newline.
OFFICIAL = "3\nYoung Big_Nose Wearing_Hat \n000001.jpg -1  1 -1\n000002.jpg  1  1 -1\n000003.jpg -1 -1  1\n"
LABELS = [[0, 1, 0], [1, 1, 0], [0, 0, 1]]


@pytest.fixture
def write(tmp_path):
    def to_file(text: str | bytes) -> Path:
        path = tmp_path / "list_attr_celeba.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


def test_attributes(write):
    read = read_annotations(write(OFFICIAL))
    assert read.attributes == attribute_names(write(OFFICIAL)) == ("Young", "Big_Nose", "Wearing_Hat")
    assert read.files.tolist() == [b"000001.jpg", b"000002.jpg", b"000003.jpg"]
    assert read.labels.dtype == np.int8
    assert read.labels.tolist() == LABELS


def test_columns_select_and_order(write):
    read = read_annotations(write(OFFICIAL), Selection(columns=("Wearing_Hat", "Young")))
    assert read.attributes == ("Wearing_Hat", "Young")
    assert read.labels.tolist() == [[0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OFFICIAL.replace("3\n", "4\n", 1), "line 1 announces 4 images, the file has 3 rows; get a whole copy"),
        (OFFICIAL.replace("Wearing_Hat ", "", 1), "line 3: expected a file name and 2 values, got 3"),
        (OFFICIAL.replace("Wearing_Hat ", "Wearing_Hat Smiling", 1), "line 3: expected a file name and 4 values, got 3"),
        (OFFICIAL.replace("Big_Nose", "Young", 1), "line 2: attribute Young is named twice"),
        (OFFICIAL.replace("Big_Nose", "Big\x1b[31mNose", 1), r"line 2: attribute 'Big\\x1b\[31mNose' holds control characters"),
        (OFFICIAL.replace("Big_Nose", "N" * 201, 1), "line 2: attribute 'N{60}'… has 201 characters, at most 200"),
        (OFFICIAL.replace("000002.jpg  1  1 -1", "000002.jpg  1  1"), "line 4: expected a file name and 3 values, got 2"),
        (OFFICIAL.replace("000002.jpg  1  1 -1", "000002.jpg  1  1  1  1"), "line 4: expected a file name and 3 values, got 4"),
        (
            OFFICIAL.replace("000002.jpg  1  1 -1", "000002.jpg  1  1  0"),
            "line 4: Wearing_Hat is 0, and -1 in an earlier row; if -1 means",
        ),
        (OFFICIAL.replace("000002.jpg  1", "000002.jpg  2"), "line 4: Young is '2', expected 0 or 1, -1 or 1, "),
        (OFFICIAL.replace("000002", "000001"), "line 4: 000001.jpg stands in the file twice, first in line 3; remove one"),
        (OFFICIAL.replace("000002", "../02"), "line 4: image '../02.jpg' is not named relative to the folder of images"),
        (OFFICIAL.replace("000002", "\n000002"), "line 4: is blank, and more rows follow"),
        ("3\n", "ends before the line of attribute names"),
        ("2\nYoung \n", "has no rows"),
        ("2\n1 -1\n000001.jpg -1 1\n", "line 2: holds values, expected a header"),
        ("Young Big_Nose\n", "has no rows"),
        ("9" * 5000 + "\nYoung\n000001.jpg 1\n", "line 1: expected a header with the names of the columns, .* or the number of images"),
        ("\n" + OFFICIAL, "line 1: is blank, expected a header"),
    ],
)
def test_refuses_naming_file_and_line(write, text, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt.*{message}"):
        read_annotations(write(text))


def test_refuses_columns_it_has_not(write):
    with pytest.raises(ConfigurationError, match=r"--columns: .*list_attr_celeba.txt has no column 'Yuong'; did you mean 'Young'"):
        read_annotations(write(OFFICIAL), Selection(columns=("Yuong",)))
    with pytest.raises(ConfigurationError, match=r"--key-column: .*list_attr_celeba.txt is a CelebA attribute file.*leave it out"):
        read_annotations(write(OFFICIAL), Selection(key_column="image_id"))


def test_partition(write):
    read = read_partition(write("000001.jpg 0\n000003.jpg test\n000002.jpg valid\n"))
    assert read.files.tolist() == [b"000001.jpg", b"000003.jpg", b"000002.jpg"]
    assert read.codes.dtype == np.uint8
    assert read.codes.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000001.jpg 0\n000002.jpg 3\n", r"line 2: the split is '3', expected 0, 1 or 2 \(train, val, test\)"),
        ("000001.jpg 0\n000002.jpg\n", "line 2: expected a file name and 1 value, got 0"),
        ("000001.jpg 0\n000001.jpg 1\n", "line 2: 000001.jpg stands in the file twice, first in line 1"),
        ("000001.jpg 0\n\n000002.jpg 1\n", "line 2: is blank, and more rows follow"),
    ],
)
def test_partition_refuses(write, text, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt, {message}"):
        read_partition(write(text))
