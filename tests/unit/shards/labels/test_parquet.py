"""Parquet tables."""

import sys

import numpy as np
import pytest

from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import attribute_names, read_annotations
from shards.labels.partition import read_partition
from shards.labels.selection import Selection

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

COLUMNS = {
    "integer": pa.array([1, -1, None], pa.int64()),
    "byte": pa.array([1, 0, None], pa.uint8()),
    "float": pa.array([1.0, 0.0, None], pa.float32()),
    "boolean": pa.array([True, False, None]),
    "text": pa.array(["1", " -1", None]),
    "words": pa.array(["True", "false", ""], pa.large_string()),
    "category": pa.array(["1", "0", None]).dictionary_encode(),
}


@pytest.fixture
def write(tmp_path):
    def to_file(columns, **options):
        path = tmp_path / "labels.pq"
        pq.write_table(pa.table(columns), path, **options)
        return path

    return to_file


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_of_label(write, name):
    read = read_annotations(write({"image": ["a.jpg", "./b/c.jpg", "d"], name: COLUMNS[name]}))
    assert read.attributes == (name,)
    assert read.files.tolist() == [b"a.jpg", b"b/c.jpg", b"d"]
    assert read.labels.dtype == np.int8
    assert read.labels.tolist() == [[1], [0], [-1]]


def test_a_column_without_any_label(write):
    assert read_annotations(write({"image": ["a"], "A": pa.nulls(1)})).labels.tolist() == [[-1]]


def test_chosen_columns_and_numbers_as_names(write):
    path = write({"A": [1, 0], "comment": ["x", "y"], "id": [7, 12], "B": [0, 1]})
    options = {"key_column": "id", "columns": ("B", "A")}
    read = read_annotations(path, Selection(**options))
    assert read.attributes == attribute_names(path, Selection(**options)) == ("B", "A")
    assert read.files.tolist() == [b"7", b"12"]
    assert read.labels.tolist() == [[0, 1], [1, 0]]


def test_many_batches_and_row_groups(write):
    labels = np.random.default_rng(0).integers(0, 2, 5000)
    read = read_annotations(write({"image": [f"{i:04d}" for i in range(5000)], "A": labels}, row_group_size=3000))
    assert read.labels[:, 0].tolist() == labels.tolist()
    assert read.files[4999] == b"4999"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a", "b"], "A": [1, 2]}, "row 2: A is '2', expected 0 or 1, .*nothing where there is no label"),
        ({"image": ["a", "b"], "A": [1.0, 0.5]}, "row 2: A is '0.5', expected"),
        ({"image": ["a", "b"], "A": [1.0, float("nan")]}, "row 2: A is 'nan', expected"),
        ({"image": ["a", "b"], "A": ["1", "maybe"]}, "row 2: A is 'maybe', expected"),
        ({"image": ["a", "b"], "A": [0, -1]}, "row 2: A is -1, and 0 in an earlier row"),
        ({"image": ["a", "b"], "A": [[1], [0]]}, "column A holds list<.*>, expected 0 or 1"),
        ({"image": [1.5, 2.0], "A": [1, 0]}, "column image should name the images, but holds double; choose another with --key-column"),
        ({"image": ["a", None], "A": [1, 0]}, "row 2: names no image"),
        ({"image": ["a", ""], "A": [1, 0]}, "row 2: names no image"),
        ({"image": ["a", "../b"], "A": [1, 0]}, "row 2: image '../b' is not named relative"),
        ({"image": ["a", "b", "a"], "A": [1, 0, 0]}, "row 3: a stands in the file twice, first in row 1"),
        ({"image": ["a"], "A\n": [1], "B": [1]}, None),
        ({"image": ["a"], "A\x1b": [1]}, r"attribute 'A\\x1b' holds control characters"),
        ({"image": ["a"]}, "the header names no attributes"),
        ({"image": pa.array([], pa.string()), "A": pa.array([], pa.int8())}, "has no rows"),
    ],
)
def test_refuses_naming_file_and_row(write, columns, message):
    path = write(columns)
    if message is None:
        # Blanks around a name are no part of it, here as in a CSV.
        assert read_annotations(path).attributes == ("A", "B")
        return
    with pytest.raises(DataError, match=f"labels.pq.*{message}"):
        read_annotations(path)


def test_refuses_a_name_that_stands_twice(write):
    with pytest.raises(DataError, match=r"labels.pq: column 'A' is named twice"):
        read_annotations(write(pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([1])], names=["image", "A", "A"])))


def test_refuses_strings_that_are_not_utf_8(write):
    latin = pa.Array.from_buffers(pa.string(), 1, pa.array([b"J\xf6rg.jpg"]).buffers())
    with pytest.raises(DataError, match=r"labels.pq: cannot be read as Parquet .*UTF8"):
        read_annotations(write({"image": latin, "A": [1]}))


def test_refuses_columns_it_has_not(write):
    path = write({"image": ["a"], "Young": [1]})
    with pytest.raises(ConfigurationError, match=r"--key-column: .*labels.pq has no column 'imgae'; did you mean 'image'"):
        read_annotations(path, Selection(key_column="imgae"))
    with pytest.raises(ConfigurationError, match=r"--columns: .*labels.pq has no column 'Yuong'; did you mean 'Young'"):
        read_annotations(path, Selection(columns=["Yuong"]))


@pytest.mark.parametrize("kept", [4, 100, -1, -200])
def test_refuses_half_a_file(write, kept):
    path = write({"image": [f"{i}.jpg" for i in range(100)], "Young": [1] * 100})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"labels.pq: cannot be read as Parquet .*; get a whole copy"):
        read_annotations(path)


def test_refuses_a_damaged_page(write):
    path = write({"image": [f"{i}.jpg" for i in range(5000)], "Young": [1] * 5000}, compression="zstd")
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + bytes(4000) + whole[5000:])
    with pytest.raises(DataError, match=r"labels.pq: cannot be read as Parquet"):
        read_annotations(path)


def test_says_how_to_get_a_missing_pyarrow(write, monkeypatch):
    path = write({"image": ["a"], "Young": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"labels.pq: reading Parquet needs pyarrow; pip install 'dropstream\[parquet\]'"):
        read_annotations(path)


def test_a_column_that_says_yes_or_no_means_what_its_name_says(write):
    assert read_partition(write({"image": ["a", "b"], "is_test": [True, False]})).codes.tolist() == [2, 0]


@pytest.mark.parametrize("splits", [[0, 2, 1], ["train", "Test", "valid"], ["0", "2", "1"]])
def test_partition(write, splits):
    read = read_partition(write({"image": ["a", "c", "b"], "split": splits}))
    assert read.files.tolist() == [b"a", b"c", b"b"]
    assert read.codes.dtype == np.uint8
    assert read.codes.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a", "b"], "split": [0, 3]}, "row 2: split is '3', expected 0, 1 or 2"),
        ({"image": ["a", "b"], "split": [0, None]}, "row 2: split is 'null', expected 0, 1 or 2"),
        ({"image": ["a", "b"], "split": ["train", None]}, "row 2: split is 'null', expected 0, 1 or 2"),
        ({"image": ["a", "b"], "split": [True, False]}, "row 1: split is 'True', expected 0, 1 or 2"),
        ({"image": ["a", "a"], "split": [0, 0]}, "row 2: a stands in the file twice, first in row 1"),
        ({"image": ["a"], "split": [0], "subset": [1]}, "expected two columns, the image and its split, got 3"),
    ],
)
def test_partition_refuses(write, columns, message):
    with pytest.raises(DataError, match=f"labels.pq.*{message}"):
        read_partition(write(columns))
