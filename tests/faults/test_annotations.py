"""Damaged and unusual annotation files: the same labels come out, or one line names the file, the row and what to do."""

import gzip

import pytest

from shards.errors import DataError
from shards.labels.annotation_file import read_annotations
from shards.labels.partition import read_partition
from tests.conftest import ATTRIBUTES

NUM_ROWS = 9


def official(attributes=ATTRIBUTES, files=None) -> str:
    files = files or [f"{number:06d}.jpg" for number in range(1, NUM_ROWS + 1)]
    rows = [file + "".join(f" {1 if (number + i) % 3 else -1:2d}" for i in range(40)) for number, file in enumerate(files)]
    return "\n".join([str(len(rows)), "".join(f"{name} " for name in attributes), *rows, ""])


def to_csv(text: str) -> str:
    _, header, *rows = text.splitlines()
    return "\n".join(",".join(line.split()) for line in [f"image_id {header}", *rows]) + "\n"


@pytest.fixture
def write(tmp_path):
    def to_file(content: bytes | str):
        path = tmp_path / "list_attr_celeba.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


@pytest.mark.parametrize("format_", [str, to_csv], ids=["official", "csv"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "  \n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.removesuffix("\n"),
    ],
    ids=["crlf", "bom", "trailing-blanks", "tabs", "no-final-newline"],
)
def test_f24_spelling_makes_no_difference(write, format_, spell):
    plain = read_annotations(write(official()))
    read = read_annotations(write(spell(format_(official()))))
    assert read.attributes == plain.attributes == tuple(ATTRIBUTES)
    assert read.files.tolist() == plain.files.tolist()
    assert read.labels.tolist() == plain.labels.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (official().replace("000005", "Jörg").encode("latin-1"), ", line 7: is not UTF-8 text; convert the file"),
        (to_csv(official()).replace("000005", "Jörg").encode("latin-1"), ", line 6: is not UTF-8 text; convert the file"),
        ("<html><head><title>Google Drive - Quota exceeded</title>", ", line 1: is an HTML page .a failed download.."),
        ("", ": is empty"),
        (gzip.compress(official().encode()), ": is a gzip-compressed file; unpack it "),
    ],
    ids=["latin-1", "latin-1-csv", "html", "empty", "gzip"],
)
def test_f24_what_is_no_annotation_file_is_refused(write, content, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt{message}"):
        read_annotations(write(content))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (official().replace("9\n", "10\n", 1), ": line 1 announces 10 images, the file has 9 rows; get a whole copy"),
        (official().rpartition("000009")[0], ": line 1 announces 9 images, the file has 8 rows"),
        (official(ATTRIBUTES[:39]), ", line 3: expected a file name and 39 values, got 40"),
        (official([*ATTRIBUTES, "Alive"]), ", line 3: expected a file name and 41 values, got 40"),
        (official([*ATTRIBUTES[:39], "Male"]), ", line 2: attribute Male is named twice"),
        (official().replace("000005.jpg  1", "000005.jpg"), ", line 7: expected a file name and 40 values, got 39"),
        (official().replace("000004.jpg", "000004.jpg  1"), ", line 6: expected a file name and 40 values, got 41"),
        (official()[:-4], ", line 11: expected a file name and 40 values, got 39"),
        (official().replace("000002.jpg  1", "000002.jpg  0"), ", line 4: 5_o_Clock_Shadow is 0, and -1 in an earlier row"),
        (official().replace("000002.jpg  1", "000002.jpg  2"), ", line 4: 5_o_Clock_Shadow is '2', expected 0 or 1, -1 or 1"),
        (official().replace("000002.jpg  1", "000002.jpg NaN"), ", line 4: 5_o_Clock_Shadow is 'NaN', expected 0 or 1, -1 or 1"),
        (official(files=["b.jpg", "a.jpg", "b.jpg"]), ", line 5: b.jpg stands in the file twice, first in line 3; remove one"),
    ],
    ids="count cut-at-a-line 39-names 41-names same-name short-row long-row cut-in-a-row value-0 value-2 value-nan same-image".split(),
)
def test_f25_damaged_official_file(write, text, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt{message}"):
        read_annotations(write(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (to_csv(official(ATTRIBUTES[:39])), "line 2: expected a file name and 39 values, got 40"),
        (to_csv(official([*ATTRIBUTES, "Alive"])), "line 2: expected a file name and 41 values, got 40"),
        (to_csv(official([*ATTRIBUTES[:39], "Male"])), "line 1: attribute Male is named twice"),
        (to_csv(official()).replace("000005.jpg,1", "000005.jpg"), "line 6: expected a file name and 40 values, got 39"),
        (to_csv(official()).replace("000004.jpg,", "000004.jpg,1,"), "line 5: expected a file name and 40 values, got 41"),
        (to_csv(official()).replace("000002.jpg,1", "000002.jpg,0"), "line 3: 5_o_Clock_Shadow is 0, and -1 in an earlier row"),
        (to_csv(official()).replace("000002.jpg,1", "000002.jpg,2"), "line 3: 5_o_Clock_Shadow is '2', expected 0 or 1"),
        (
            to_csv(official()).replace("000002.jpg,1", "000002.jpg,NaN"),
            "line 3: 5_o_Clock_Shadow is 'NaN', expected 0 or 1",
        ),
        (to_csv(official(files=["b.jpg", "a.jpg", "b.jpg"])), "line 4: b.jpg stands in the file twice, first in line 2; remove one"),
    ],
    ids="39-names 41-names same-name short-row long-row value-0 value-2 value-nan same-image".split(),
)
def test_f25_damaged_csv(write, text, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt, {message}"):
        read_annotations(write(text))


def test_f25_rows_in_another_order_keep_their_labels(write):
    read = read_annotations(write(official()))
    count, header, *rows = official().splitlines()
    turned = read_annotations(write("\n".join([count, header, *reversed(rows)])))
    assert turned.files.tolist() == read.files.tolist()[::-1]
    assert turned.labels.tolist() == read.labels.tolist()[::-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000001.jpg 0\n000002.jpg 3\n", r"line 2: the split is '3', expected 0, 1 or 2 \(train, val, test\)"),
        ("000001.jpg 0\n000002.jpg\n", "line 2: expected a file name and 1 value, got 0"),
        ("000001.jpg 0\n000002.jpg 1\n000001.jpg 2\n", "line 3: 000001.jpg stands in the file twice, first in line 1; remove one"),
        ("image_id,partition\n000001.jpg,0\n000002.jpg,3\n", r"line 3: partition is '3', expected 0, 1 or 2 \(train, val, test\)"),
        ("image_id,partition\n000001.jpg,0\n000002.jpg\n", "line 3: expected a file name and 1 value, got 0"),
        ("image_id,partition\n000001.jpg,0\n000001.jpg,2\n", "line 3: 000001.jpg stands in the file twice, first in line 2; remove one"),
    ],
    ids="value-3 no-value same-image value-3-csv no-value-csv same-image-csv".split(),
)
def test_f26_damaged_partition_file(write, text, message):
    with pytest.raises(DataError, match=f"list_attr_celeba.txt, {message}"):
        read_partition(write(text))
