"""`quarantine.csv`."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.packing.job import BadImage
from shards.packing.quarantine import QUARANTINE, quarantine_csv, quarantined_files
from shards.storage.local_folder import LocalFolder


def bad(file: str, reason: str = "is empty") -> BadImage:
    return BadImage(key=file.removesuffix(".jpg"), file=file, reason=reason)


def cells(*images: BadImage) -> list[list[str]]:
    return list(csv.reader(io.StringIO(quarantine_csv(images).decode("utf-8"))))


def test_a_header_and_a_row_for_each_image():
    content = quarantine_csv([bad("a.jpg"), bad("one/b.jpg", 'is "a", or b; c')])
    assert content == b'key,file,reason\na,a.jpg,is empty\none/b,one/b.jpg,"is ""a"", or b; c"\n'
    assert quarantine_csv([]) == b"key,file,reason\n"


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("=HYPERLINK(1).jpg", "./=HYPERLINK(1).jpg"),
        ("+1.jpg", "./+1.jpg"),
        ("-1.jpg", "./-1.jpg"),
        ("@SUM(A1).jpg", "./@SUM(A1).jpg"),
        ("a=1.jpg", "a=1.jpg"),
        ("a,b.jpg", "a,b.jpg"),
        ('"a".jpg', '"a".jpg'),
        ("Jörg 日本.jpg", "Jörg 日本.jpg"),
        ("\x1b[31mred.jpg", r"\x1b[31mred.jpg"),
        ("\t=1.jpg", r"\t=1.jpg"),
        ("two\r\nlines.jpg", r"two\r\nlines.jpg"),
    ],
)
def test_f33_no_cell_is_a_formula_or_an_escape(file, shown):
    assert cells(bad(file))[1] == [shown.removesuffix(".jpg"), shown, "is empty"]


@given(st.text(min_size=1))
def test_f33_whatever_the_name(name):
    (_, (key, file, _)) = cells(bad(name))
    assert (key + file).isprintable()
    assert not file.startswith(("=", "+", "-", "@"))


@given(st.lists(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8), max_size=5))
def test_the_files_are_read_back(tmp_path_factory, names):
    folder = LocalFolder(str(tmp_path_factory.mktemp("out")))
    with folder.create(QUARANTINE) as file:
        file.write(quarantine_csv([bad(name) for name in names]))
    assert quarantined_files(folder).tolist() == [name.encode() for name in names]


@pytest.mark.parametrize(
    "content", [b"", b"key\na\n", b"key,file,reason\n", b"file\n\xff\n"], ids=["empty", "no-file", "no-row", "latin-1"]
)
def test_a_file_that_somebody_edited_names_nothing_of_ours(tmp_path, content):
    (tmp_path / QUARANTINE).write_bytes(content)
    assert quarantined_files(LocalFolder(str(tmp_path))).tolist() in ([], [b""], ["�".encode()])
