"""Readers of CelebA's files."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from shards.celeba import read_attributes, read_partition
from shards.errors import DataError

# Exactly as CelebA writes it: a trailing blank after the names, values padded to two columns, a final newline.
OFFICIAL = "3\nYoung Big_Nose Wearing_Hat \n000001.jpg -1  1 -1\n000002.jpg  1  1 -1\n000003.jpg -1 -1  1\n"
KAGGLE = "image_id,Young,Big_Nose,Wearing_Hat\n000001.jpg,-1,1,-1\n000002.jpg,1,1,-1\n000003.jpg,-1,-1,1\n"
LABELS = [[0, 1, 0], [1, 1, 0], [0, 0, 1]]


def attributes(tmp_path: Path, text: str | bytes):
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_attributes(path)


@pytest.mark.parametrize(
    "text",
    [
        OFFICIAL,
        KAGGLE,
        OFFICIAL.replace("\n", "\r\n"),
        KAGGLE.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + OFFICIAL.encode(),
        OFFICIAL.replace("\n", " \n"),
        OFFICIAL.replace(" ", "\t"),
        OFFICIAL.rstrip("\n"),
        OFFICIAL + "\n\n",
    ],
    ids=["official", "kaggle", "crlf", "kaggle-crlf", "bom", "trailing-blanks", "tabs", "no-final-newline", "blank-lines-at-the-end"],
)
def test_every_spelling_gives_the_same_labels(tmp_path, text):
    read = attributes(tmp_path, text)
    assert read.attributes == ("Young", "Big_Nose", "Wearing_Hat")
    assert read.files == ("000001.jpg", "000002.jpg", "000003.jpg")
    assert read.labels.dtype == np.int8
    assert read.labels.tolist() == LABELS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("<!DOCTYPE html><html>quota exceeded</html>", "line 1: is an HTML page"),
        (gzip.compress(OFFICIAL.encode()), "gzip-compressed; unpack it"),
        (OFFICIAL.encode().replace(b"000002", b"00000\xe9"), "line 4: is not UTF-8"),
        (OFFICIAL.replace("3\n", "4\n", 1), "announces 4 images, the file has 3 rows"),
        (OFFICIAL.replace("Wearing_Hat ", "", 1), "line 3: expected a file name and 2 values, got 3"),
        (OFFICIAL.replace("Big_Nose", "Young", 1), "line 2: attribute Young is named twice"),
        (OFFICIAL.replace("000002.jpg  1  1 -1", "000002.jpg  1  1"), "line 4: expected a file name and 3 values, got 2"),
        (OFFICIAL.replace("000002.jpg  1  1 -1", "000002.jpg  1  1  0"), "line 4: Wearing_Hat is '0', expected -1 or 1"),
        (OFFICIAL.replace("000002.jpg  1", "000002.jpg  2"), "line 4: Young is '2'"),
        (KAGGLE.replace("000002.jpg,1", "000002.jpg,NaN"), "line 3: Young is 'NaN'"),
        (OFFICIAL.replace("000002", "000001"), "line 4: 000001.jpg stands in the file twice"),
        ("3\n", "ends before the line of attribute names"),
        ("2\nYoung \n", "has no rows"),
        ("Young Big_Nose\n", "line 1: expected the number of images"),
    ],
)
def test_refuses_naming_file_and_line(tmp_path, text, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt.*{message}"):
        attributes(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.txt: cannot be read \(No such file"):
        read_attributes(tmp_path / "nowhere.txt")


def test_partition_in_both_spellings(tmp_path):
    wanted = {"000001.jpg": 0, "000002.jpg": 1, "000003.jpg": 2}
    for text in ("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n", "image_id,partition\n000001.jpg,0\n000002.jpg,1\n000003.jpg,2\n"):
        path = tmp_path / "partition"
        path.write_text(text)
        assert read_partition(path) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000001.jpg 0\n000002.jpg 3\n", "line 2: expected an image name and 0, 1 or 2"),
        ("image_id,partition\n000001.jpg,0,1\n", "line 2: expected"),
        ("000001.jpg 0\n000001.jpg 1\n", "line 2: 000001.jpg stands in the file twice"),
    ],
)
def test_partition_refuses(tmp_path, text, message):
    path = tmp_path / "partition.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_partition(path)
