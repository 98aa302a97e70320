"""The column of a Parquet file that holds images."""

import base64

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards.errors import DataError
from shards.storage import parquet_file
from shards.storage.parquet_file import cells_of, find_image_column, holds_lists_of_images, opened

JPEG, PNG = b"\xff\xd8\xff\xe0 a JPEG", b"\x89PNG a PNG"
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def written(tmp_path):
    def to_file(**columns):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return to_file


def found_in(path):
    with opened(path, "a.parquet") as file:
        column = find_image_column(file, "a.parquet")
    return column and (column.name, column.content, column.path)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array([{"bytes": JPEG, "path": "a.jpg"}], STRUCT), ("image", "image.bytes", "image.path")),
        # Known by its type, whatever is in it.
        (pa.array([None], STRUCT), ("image", "image.bytes", "image.path")),
        (pa.array([{"bytes": JPEG}], pa.struct([("bytes", pa.large_binary())])), ("image", "image.bytes", None)),
        (pa.array([{"path": 3, "bytes": JPEG}], pa.struct([("path", pa.int64()), ("bytes", pa.binary())])), ("image", "image.bytes", None)),
        (pa.array([JPEG]), ("image", "image", None)),
        (pa.array([None] * 40 + [PNG], pa.large_binary()), ("image", "image", None)),
        # A first image that is damaged does not hide the others.
        (pa.array([b"<html>", JPEG]), ("image", "image", None)),
        (pa.array([JPEG, PNG], pa.binary_view()), ("image", "image", None)),
        (pa.array([JPEG, JPEG]).dictionary_encode(), ("image", "image", None)),
        (pa.array([b"", b"noise"]), None),
        (pa.array([None] * 2000 + [JPEG], pa.binary()), None),
        (pa.array([], pa.binary()), None),
        (pa.array([{"a": 1}]), None),
        (pa.array([{"bytes": "text", "path": "a.jpg"}]), None),
        (pa.array([1]), None),
    ],
)
def test_it_is_found_by_its_type_and_first_cells(written, column, found):
    assert found_in(written(image=column)) == found


def test_several_are_refused_by_name(written):
    images = pa.array([{"bytes": JPEG, "path": "a.jpg"}], STRUCT)
    with pytest.raises(
        DataError, match=r"a\.parquet: holds images in several columns \('image', 'mask', 'thumb'\); write a file with one of them"
    ):
        found_in(written(image=images, mask=pa.array([PNG]), thumb=images, embedding=pa.array([b"bytes"])))


def test_images_in_lists_and_structs_are_told(written):
    images = pa.array([[{"bytes": JPEG, "path": "a.jpg"}]], pa.list_(STRUCT))
    for nested in (images, pa.array([{"inner": {"bytes": JPEG}}], pa.struct([("inner", STRUCT)])), pa.array([[JPEG]])):
        with opened(written(label=[1], pictures=nested), "a.parquet") as file:
            assert find_image_column(file, "a.parquet") is None
            assert holds_lists_of_images(file) == "pictures"
    with opened(written(label=[[1]], image=pa.array([JPEG])), "a.parquet") as file:
        assert holds_lists_of_images(file) is None


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())])
def test_cells_of_every_type_of_bytes(kind):
    column = pa.array([JPEG, None, b"", PNG, JPEG], pa.binary())
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
    assert [cell if cell is None else bytes(cell) for cell in cells_of(column)] == [JPEG, None, b"", PNG, JPEG]
    assert [cell if cell is None else bytes(cell) for cell in cells_of(column[2:4])] == [b"", PNG]


def test_cells_of_a_struct_are_missing_where_the_struct_is():
    column = pa.array([{"bytes": JPEG, "path": "a"}, None, {"bytes": None, "path": "b"}], STRUCT)
    assert [cell if cell is None else bytes(cell) for cell in cells_of(column)] == [JPEG, None, None]


def test_a_bomb_is_told_before_a_cell_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "_LEAST_BYTES", 2**20)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": pa.array([JPEG + bytes(2**20)] * 4)}), path, compression="zstd", use_dictionary=False)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", None)
    with pytest.raises(
        DataError, match=r"a\.parquet: the images of its row group 0, column 'image', would inflate to 4,.* more than 100 times"
    ):
        found_in(path)


def test_more_rows_than_bytes_are_no_images(written, monkeypatch):
    monkeypatch.setattr(parquet_file, "_LEAST_ROWS", 10_000)
    path = written(image=pa.array([None] * 20_000, STRUCT))
    with pytest.raises(DataError, match=r"a\.parquet: the images of its row group 0, .* would be 20,000 in \d+ bytes"):
        found_in(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not the file itself; run git lfs pull"),
        (b"<!DOCTYPE html>", "is an HTML page"),
        (b"PAR1", r"cannot be read as Parquet \(.*\); get a whole copy"),
        (b"noise", r"cannot be read as Parquet \(.*\); get a whole copy"),
    ],
)
def test_what_is_no_parquet_is_called_what_it_is(tmp_path, content, message):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.parquet: {message}"), opened(path, "a.parquet"):
        pass


def test_a_damaged_name_in_the_files_end_is_told(written):
    path = written(image=pa.array([JPEG]))
    path.write_bytes(path.read_bytes().replace(b"image", b"im\xe1ge"))
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet \(.*codec can't decode.*\); get a whole copy"):
        found_in(path)


_DAMAGED = (
    "UEFSMRUAFRoVGiwVAhUAFQYVBhwAAAACAAAAAgEDAAAA/9j/FQQZLDUAGAZzY2hlbWEVAgAVDCQCGAFpABYCGRwZHCYAHBUMGSUGABkYAWkVAB"
    "YCFkAWQCYISRwVABUAFQIAPBYGGQYZJgACAAAAFkAWAiYIFkAAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRkcHAAAAHwAAABQ"
    "QVIx"
)
"""A file whose end has one flipped bit: asked for the facts of its column, pyarrow ends the process."""


def test_damaged_facts_of_a_column_do_not_end_the_process(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(base64.b64decode(_DAMAGED))
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet \(.*\); get a whole copy"):
        found_in(path)


def test_looking_at_the_facts_reads_no_cell(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(parquet_file._Unread, "__init__", lambda self, size: (_init(self, size), seen.append(self))[0])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": pa.array([JPEG] * 4), "other": [1, 2, 3, 4]}), path, row_group_size=2)
    with opened(path, "a.parquet") as file:
        assert file.metadata.num_row_groups == 2
    assert [source.was_asked for source in seen] == [True, True]


_init = parquet_file._Unread.__init__
