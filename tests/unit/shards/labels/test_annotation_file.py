"""Every format gives the same labels, and what is no annotation file is refused."""

import bz2
import gzip
import lzma
import os
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from shards.errors import DataError
from shards.labels.annotation_file import attribute_names, read_annotations
from shards.labels.partition import read_partition

OFFICIAL = "2\nYoung Male \n000001.jpg -1  1\n000002.jpg  1 -1\n"
CSV = "image_id,Young,Male\n000001.jpg,-1,1\n000002.jpg,1,-1\n"
SPLITS = "000001.jpg 0\n000002.jpg 2\n"
SPLITS_CSV = "image_id,partition\n000001.jpg,0\n000002.jpg,2\n"

SPELLINGS = {
    "as-it-is": str.encode,
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "bom": lambda text: text.encode("utf-8-sig"),
    "trailing-blanks": lambda text: text.replace("\n", " \t\n").encode(),
    "tabs": lambda text: text.replace(" ", "\t").encode(),
    "no-final-newline": lambda text: text.removesuffix("\n").encode(),
    "blank-lines-at-the-end": lambda text: f"{text}\n \t\r\n\n".encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-big-endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "carriage-returns": lambda text: text.replace("\n", "\r").encode(),
    "all-of-it": lambda text: (text.replace("\n", " \r\n") + "\r\n \r\n").encode("utf-8-sig"),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "annotations"


@pytest.mark.parametrize("text", [OFFICIAL, CSV], ids=["official", "csv"])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_spelling_makes_no_difference_to_labels(path, text, spell):
    path.write_bytes(spell(text))
    read = read_annotations(path)
    assert read.attributes == attribute_names(path) == ("Young", "Male")
    assert read.files.tolist() == [b"000001.jpg", b"000002.jpg"]
    assert read.labels.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("text", [SPLITS, SPLITS_CSV], ids=["official", "csv"])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_spelling_makes_no_difference_to_splits(path, text, spell):
    path.write_bytes(spell(text))
    read = read_partition(path)
    assert read.files.tolist() == [b"000001.jpg", b"000002.jpg"]
    assert read.codes.tolist() == [0, 2]


@pytest.mark.parametrize("read", [read_annotations, attribute_names, read_partition])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": is empty"),
        (b"\xef\xbb\xbf \r\n\n", ": is empty"),
        (b"\n<!DOCTYPE html><html>quota exceeded, sorry</html>", ", line 1: is an HTML page"),
        (gzip.compress(OFFICIAL.encode(), mtime=0), ": is a gzip-compressed file; unpack it"),
        (b"PK\x03\x04" + bytes(100), ": is a ZIP archive; unpack it"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", r": is an Excel sheet \(.xlsx\) or another Office file; write its table"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100), ": is an Excel sheet .* or another old Office file; write its table as CSV or"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM", ": is a MATLAB file .*; write its table as CSV or Parquet"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), ": is an HDF5 or MATLAB 7.3 file .*; write its table"),
        (b"\x93NUMPY\1\0", ": is a NumPy array; write its table"),
        (b"ARROW1\0\0" + bytes(9), ": is an Arrow or Feather file; write its table"),
        (b"SQLite format 3\0" + bytes(9), ": is an SQLite database; write its table"),
        (bz2.compress(OFFICIAL.encode()), ": is a bzip2-compressed file; unpack it"),
        (lzma.compress(OFFICIAL.encode()), ": is an xz-compressed file; unpack it"),
        (b"7z\xbc\xaf\x27\x1c", ": is a 7z archive; unpack it"),
        (b"\xff\xd8\xff\xe0", ": is a JPEG image; name the table of labels"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", ": is a Git LFS pointer, not the file itself; run git lfs pull"),
        *(
            (pickle.dumps({"Young": 1}, protocol), ": is a pickle, which is never opened here; write its table")
            for protocol in (2, 3, 4, 5)
        ),
        (b"a," * 2**20, ", line 1: is longer than 1 MiB; this is no annotation file"),
    ],
)
def test_refuses_what_is_no_annotation_file(path, read, content, message):
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^the labels{message}"):
        read(path, name="the labels")


@pytest.mark.parametrize("read", [read_annotations, attribute_names, read_partition])
def test_refuses_what_cannot_be_read(path, read):
    with pytest.raises(DataError, match=r"annotations: cannot be read \(No such file or directory\)"):
        read(path)
    os.mkfifo(path)
    with pytest.raises(DataError, match="annotations: is a folder or a pipe, expected a file"):
        read(path)
    with pytest.raises(DataError, match="is a folder or a pipe, expected a file"):
        read(path.parent)


@pytest.mark.parametrize(
    ("read", "text", "line"),
    [(read_annotations, OFFICIAL, 4), (read_annotations, CSV, 3), (read_partition, SPLITS, 2), (read_partition, SPLITS_CSV, 3)],
)
def test_refuses_latin_1_naming_the_line(path, read, text, line):
    path.write_bytes(text.replace("000002", "Jörg").encode("latin-1"))
    with pytest.raises(DataError, match=f"annotations, line {line}: is not UTF-8 text"):
        read(path)


@pytest.mark.parametrize("separator", [" ", ","])
def test_needs_little_more_memory_than_the_labels(path, separator):
    num_rows, num_attributes = 20_000, 40
    with path.open("w") as file:
        file.write(f"{num_rows}\n" if separator == " " else "image,")
        file.write(separator.join(f"A{i}" for i in range(num_attributes)) + "\n")
        file.writelines(f"{number}{f'{separator}-1' * num_attributes}\n" for number in range(num_rows))
    tracemalloc.start()
    try:
        read_annotations(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A list of the rows' cells alone would be eight times the labels.
    assert peak_bytes < 3 * num_rows * num_attributes


LABELS = arrays(np.int8, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.sampled_from([-1, 0, 1]))
WORDS = {"0 and 1": ("", "0", "1"), "-1 and 1": ("", "-1", "1"), "words": ("", "False", "true")}
FILES = [f"folder {i % 2}/ö{9 - i}.jpg" for i in range(6)]


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
@given(labels=LABELS, spell=st.sampled_from(list(SPELLINGS.values())))
def test_csv_gives_back_what_was_written(tmp_path_factory, words, labels, spell):
    rows = [",".join([file, *(words[value + 1] for value in row)]) for file, row in zip(FILES, labels.tolist(), strict=False)]
    header = ",".join(["image", *(f"A{i}" for i in range(labels.shape[1]))])
    path = tmp_path_factory.getbasetemp() / "property.csv"
    path.write_bytes(spell("\n".join([header, *rows]).replace(" ", "\u00a0") + "\n"))
    check(path, labels, [file.replace(" ", "\u00a0") for file in FILES])


@given(labels=LABELS.map(abs), spell=st.sampled_from(list(SPELLINGS.values())))
def test_official_text_gives_back_what_was_written(tmp_path_factory, labels, spell):
    files = [file.replace(" ", "_") for file in FILES]
    rows = [file + "".join(f" {2 * value - 1:2d}" for value in row) for file, row in zip(files, labels.tolist(), strict=False)]
    header = "".join(f"A{i} " for i in range(labels.shape[1]))
    path = tmp_path_factory.getbasetemp() / "property.txt"
    path.write_bytes(spell("\n".join([str(len(rows)), header, *rows]) + "\n"))
    check(path, labels, files)


@pytest.mark.parametrize("negative", [0, -1])
@given(labels=LABELS)
def test_parquet_gives_back_what_was_written(tmp_path_factory, negative, labels):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    values = np.where(labels == 0, negative, labels)
    columns = {f"A{i}": pa.array(values[:, i], mask=labels[:, i] == -1) for i in range(labels.shape[1])}
    path = tmp_path_factory.getbasetemp() / "property.parquet"
    pq.write_table(pa.table({"image": FILES[: len(labels)]} | columns), path)
    check(path, labels, FILES)


def check(path, labels, files):
    read = read_annotations(path)
    assert read.attributes == tuple(f"A{i}" for i in range(labels.shape[1]))
    assert [name.decode() for name in read.files.tolist()] == files[: len(labels)]
    np.testing.assert_array_equal(read.labels, labels)
