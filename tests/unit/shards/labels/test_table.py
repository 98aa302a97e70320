"""CSV tables."""

from pathlib import Path

import pytest

from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import attribute_names, read_annotations
from shards.labels.partition import read_partition
from shards.labels.selection import Selection

KAGGLE = "image_id,Young,Big_Nose,Wearing_Hat\n000001.jpg,-1,1,-1\n000002.jpg,1,1,-1\n000003.jpg,-1,-1,1\n"
OWN = 'Comment,Male,File,"Smiling, broadly"\n"said ""hi"",\nthen left",1,b/1.jpg,\nx, TRUE ,./a/1.jpg,0\ny,False,2,1\n'


@pytest.fixture
def write(tmp_path):
    def to_file(text: str) -> Path:
        path = tmp_path / "labels.csv"
        path.write_bytes(text.encode())
        return path

    return to_file


def test_kaggles_copy(write):
    read = read_annotations(write(KAGGLE))
    assert read.attributes == ("Young", "Big_Nose", "Wearing_Hat")
    assert read.files.tolist() == [b"000001.jpg", b"000002.jpg", b"000003.jpg"]
    assert read.labels.tolist() == [[0, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_chosen_columns_quotes_words_and_missing_labels(write):
    options = {"key_column": "File", "columns": ("Smiling, broadly", "Male")}
    read = read_annotations(write(OWN), Selection(**options))
    assert read.attributes == attribute_names(write(OWN), Selection(**options)) == ("Smiling, broadly", "Male")
    assert read.files.tolist() == [b"b/1.jpg", b"a/1.jpg", b"2"]
    assert read.labels.tolist() == [[-1, 1], [0, 1], [1, 0]]


def test_names_may_hold_blanks_dots_and_any_letter(write):
    read = read_annotations(write("f,A\nmy photo.jpg,1\n.hidden/Jörg.v2.jpg,0\na\\b.jpg,0\n ././c.jpg ,0\n"))
    assert [name.decode() for name in read.files.tolist()] == ["my photo.jpg", ".hidden/Jörg.v2.jpg", "a\\b.jpg", "c.jpg"]


def test_a_file_has_one_way_to_write_a_negative_label(write):
    with pytest.raises(DataError, match=r"labels.csv: A writes a negative label as 0, and B as -1; if -1 means"):
        read_annotations(write("f,A,B\n1,0,-1\n2,1,1\n3,,-1\n"))


@pytest.mark.parametrize("second", [5, 5000])
def test_0_and_minus_1_in_one_column_are_refused(write, second):
    rows = [f"{number},1,1\n" for number in range(6000)]
    rows[1] = "1,1,-1\n"
    rows[second] = f"{second},1,0\n"
    with pytest.raises(DataError, match=rf"labels.csv, line {second + 2}: B is 0, and -1 in an earlier row; if -1 means not known"):
        read_annotations(write("f,A,B\n" + "".join(rows)))


def test_the_first_of_several_such_rows_is_named(write):
    with pytest.raises(DataError, match=r"line 3: B is -1, and 0 in an earlier row"):
        read_annotations(write("f,A,B\n1,0,0\n2,1,-1\n3,-1,1\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            KAGGLE.replace("2.jpg,1", "2.jpg,NaN"),
            "line 3: Young is 'NaN', expected 0 or 1, -1 or 1, .*no label; .*--values",
        ),
        (KAGGLE.replace("2.jpg,1", "2.jpg,2"), "line 3: Young is '2'"),
        (KAGGLE.replace("2.jpg,1", "2.jpg,yes\x1b[0m"), r"line 3: Young is 'yes\\x1b\[0m'"),
        (KAGGLE.replace("2.jpg,1,", "2.jpg,"), "line 3: expected a file name and 3 values, got 2"),
        (KAGGLE.replace("2.jpg,1", "2.jpg,1,1"), "line 3: expected a file name and 3 values, got 4"),
        (OWN.replace("./a/1.jpg", "b/1.jpg"), "line 4: b/1.jpg stands in the file twice, first in line 2; remove one"),
        (KAGGLE.replace("000002.jpg", ""), "line 3: names no image"),
        (KAGGLE.replace("000002.jpg", "/etc/passwd"), "line 3: image '/etc/passwd' is not named relative to the folder"),
        (KAGGLE.replace("000002.jpg", "C:/2.jpg"), "line 3: image 'C:/2.jpg' is not named relative to the folder"),
        (KAGGLE.replace("000002.jpg", "a/../../2.jpg"), "line 3: image 'a/../../2.jpg' is not named relative to the folder"),
        (KAGGLE.replace("000002.jpg", "2\x07.jpg"), r"line 3: image '2\\x07.jpg' has control characters"),
        (KAGGLE.replace("000002.jpg", '"2\n.jpg"'), r"line 3: image '2\\n.jpg' has control characters"),
        (KAGGLE.replace("000002", "2" * 1021), "line 3: image '2{60}'… has a name of more than 1024 bytes"),
        (KAGGLE.replace("000002", "\n000002"), "line 3: is blank, and more rows follow"),
        (KAGGLE.replace("000002", '"000002'), r"line 3: is not valid CSV \(unexpected end of data\)"),
        (KAGGLE.replace("000002", '"000002"b'), "line 3: is not valid CSV"),
        (KAGGLE.replace("Big_Nose", "Young"), "line 1: attribute Young is named twice"),
        (KAGGLE.replace("Big_Nose", " "), "line 1: column 3 has no name; name it, or list the attributes with --columns"),
        (KAGGLE.replace("Big_Nose", '"Big\nNose"'), r"line 1: attribute 'Big\\nNose' holds control characters"),
        (KAGGLE.partition("\n")[2], "line 1: holds values, expected a header"),
        (KAGGLE.partition("\n")[0], "has no rows"),
    ],
)
def test_refuses_naming_file_and_line(write, text, message):
    columns = {"key_column": "File", "columns": ["Male"]} if text.startswith("Comment") else {}
    with pytest.raises(DataError, match=f"labels.csv.*{message}"):
        read_annotations(write(text), Selection(**columns))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"key_column": "Flie"}, ConfigurationError, "--key-column: .*labels.csv has no column 'Flie'; did you mean 'File'"),
        ({"columns": ["Mael"]}, ConfigurationError, "--columns: .*labels.csv has no column 'Mael'; did you mean 'Male'"),
        (
            {"key_column": "Comment", "columns": ["Comment"]},
            ConfigurationError,
            "--columns: 'Comment' is the column of image files",
        ),
        ({"columns": ["Male", "Male"]}, ConfigurationError, "--columns: names 'Male' twice"),
        ({"key_column": "twice"}, DataError, "labels.csv: column 'twice' is named twice"),
    ],
)
def test_refuses_columns_it_has_not(write, options, error, message):
    with pytest.raises(error, match=message):
        attribute_names(write("Comment,Male,File,twice,twice\nx,1,1.jpg,1,1\n"), Selection(**options))


def test_partition(write):
    read = read_partition(write("image_id,partition\n000001.jpg,0\n000003.jpg,Test\n2,validation\n"))
    assert read.files.tolist() == [b"000001.jpg", b"000003.jpg", b"2"]
    assert read.codes.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,partition\n000001.jpg,0,1\n", "line 2: expected a file name and 1 value, got 2"),
        ("image_id,partition\n000001.jpg,3\n", "line 2: partition is '3', expected 0, 1 or 2"),
        ("image_id,partition\n000001.jpg,\n", "line 2: partition is '', expected 0, 1 or 2"),
        ("image_id,partition\n1.jpg,0\n1.jpg,0\n", "line 3: 1.jpg stands in the file twice, first in line 2"),
        (
            "image_id,partition,subset\n000001.jpg,0,1\n",
            "line 1: expected two columns, the image and its split, got 3, and several of",
        ),
    ],
)
def test_partition_refuses(write, text, message):
    with pytest.raises(DataError, match=f"labels.csv, {message}"):
        read_partition(write(text))
