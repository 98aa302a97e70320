"""Images in Parquet files, read as if they were files."""

import gc
import io
import os
import tempfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import DataError
from shards.image.header import MAX_BYTES
from shards.labels import collector
from shards.storage import parquet_images
from shards.storage.folder import FileInfo, UnreadableFileError
from shards.storage.opening import open_images
from shards.storage.parquet_images import ParquetImages, parquet_files_of

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def image(number: int) -> bytes:
    return b"\xff\xd8\xff" + bytes([number]) * number


def write(path, paths, images=None, **options):
    cells = [image(number) for number in range(len(paths))] if images is None else images
    rows = [cell if cell is None else {"bytes": cell, "path": name} for cell, name in zip(cells, paths, strict=True)]
    pq.write_table(pa.table({"image": pa.array(rows, STRUCT), "A": [1] * len(paths)}), path, **options)
    return str(path)


def names_of(*files):
    return [list(names) for names in ParquetImages(os.path.dirname(files[0])).names().values()]  # noqa: PTH120


def test_a_listing_tells_size_and_checksum(tmp_path):
    folder = ParquetImages(write(tmp_path / "a.parquet", ["1.jpg", "x/2.jpg"]))
    assert list(folder.list()) == [
        FileInfo(name, len(image(number)), f"{zlib.crc32(image(number)):08x}") for number, name in enumerate(["1.jpg", "x/2.jpg"])
    ]


@pytest.mark.parametrize(
    "path",
    [None, "", " 2.jpg", "2.jpg\t", "./2.jpg", ".\\2.jpg", "/2.jpg", "\\2.jpg", "C:\\2.jpg", "a/../2.jpg", "2\n.jpg", "1.jpg", "x" * 1100],
)
def test_one_path_that_names_nothing_gives_all_images_numbers(tmp_path, path):
    one, two = write(tmp_path / "a.parquet", ["1.jpg", "3.jpg"]), write(tmp_path / "b.x.parquet", [path])
    assert names_of(one, two) == [["a/000000", "a/000001"], ["b.x/000000"]]


@given(st.text(min_size=1))
def test_a_path_that_may_be_a_name_is_read_by_tables_as_it_stands(path):
    if parquet_images._may_name(path):

        class Table:
            name = "a.parquet"

            def where(self, row):
                return f"row {row}"

        assert collector._file_array(Table(), [path], 0).tolist() == [path.encode()]


def test_another_suffix_in_capitals_and_blanks(tmp_path):
    write(tmp_path / " a.PARQUET", [None])
    write(tmp_path / "b.parquet", [None])
    assert names_of(tmp_path / "x") == [["a/000000"], ["b/000000"]]


def test_names_are_read_again_when_a_file_has_changed(tmp_path):
    path = write(tmp_path / "a.parquet", ["1.jpg"])
    folder = ParquetImages(path)
    assert list(folder.names().values()) == [["1.jpg"]]
    write(tmp_path / "a.parquet", ["1.jpg", "22.jpg"])
    assert list(folder.names().values()) == [["1.jpg", "22.jpg"]]


@pytest.mark.parametrize(
    ("beside", "found"),
    [
        (["README.md", "LICENSE", "dataset_infos.json", ".gitattributes", "._a.parquet"], True),
        (["1.jpg"], False),
        (["labels.csv"], False),
        (["images/"], False),
        ([".cache/", ".git/"], True),
        (["c.parquet/"], False),
    ],
)
def test_a_folder_of_nothing_but_parquet(tmp_path, beside, found):
    files = [write(tmp_path / name, ["1.jpg"]) for name in ("a.parquet", "b.parquet")]
    for name in beside:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_bytes(b"x")
    assert parquet_files_of(str(tmp_path)) == (files if found else [])
    assert isinstance(open_images(str(tmp_path)), ParquetImages) == found


def test_a_folder_without_parquet_and_one_that_is_not_there(tmp_path):
    (tmp_path / "README.md").write_text("x")
    assert parquet_files_of(str(tmp_path)) == []
    assert parquet_files_of(str(tmp_path / "nowhere")) == []


def test_a_missing_image_is_listed_without_bytes_and_told_by_its_row(tmp_path):
    folder = ParquetImages(write(tmp_path / "a.parquet", ["1.jpg", "2.jpg", "3.jpg"], [image(5), None, b""]))
    assert [info.size for info in folder.list()] == [8, 0, 0]
    names = folder.names()[folder.url]
    assert names == ["a/000000", "a/000001", "a/000002"]
    reading = folder.read_many(names)
    assert next(reading) == image(5)
    with pytest.raises(UnreadableFileError, match=r"a\.parquet, row 2: holds no image \(null, or a path without the image's bytes\)"):
        next(reading)
    # An empty one is judged as any other image.
    assert list(folder.read_many(["a/000002"])) == [b""]


def test_paths_alone_are_told(tmp_path):
    rows = pa.array([{"bytes": None, "path": f"{number}.jpg"} for number in range(3)], STRUCT)
    pq.write_table(pa.table({"image": rows}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: no row holds an image, at most a path to it; pack the folder where the images lie"):
        list(ParquetImages(str(tmp_path / "a.parquet")).list())


def test_images_that_begin_late_are_found(tmp_path):
    folder = ParquetImages(write(tmp_path / "a.parquet", [f"{number}.jpg" for number in range(100)], [None] * 99 + [image(1)]))
    assert sum(info.size for info in folder.list()) == 4


def test_one_too_large_has_its_size_and_is_never_copied(tmp_path):
    folder = ParquetImages(write(tmp_path / "a.parquet", ["1.jpg", "2.jpg"], [bytes(MAX_BYTES + 1), image(2)], compression="snappy"))
    assert [(info.size, info.version != "") for info in folder.list()] == [(MAX_BYTES + 1, False), (5, True)]
    with pytest.raises(UnreadableFileError, match=r"a\.parquet, row 1: has 67108865 bytes, more than 67108864"):
        list(folder.read_many(["1.jpg"]))
    assert list(folder.read_many(["2.jpg"])) == [image(2)]
    assert os.fstat(folder._gathered.file.fileno()).st_size == len(image(2))


def test_rows_that_share_an_image_of_a_dictionary_are_taken_out_a_few_at_a_time(tmp_path):
    large = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int32()), pa.array([image(1) + os.urandom(2**23)]))
    pq.write_table(pa.table({"image": large}), tmp_path / "a.parquet", dictionary_pagesize_limit=2**30, store_schema=False)
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        column = parquet_images._image_column(file, "a.parquet")
        assert parquet_images._rows_at_a_time(file, column) == 7
    usual = write(tmp_path / "b.parquet", [f"{number}.jpg" for number in range(50)])
    with pq.ParquetFile(usual) as file:
        assert parquet_images._rows_at_a_time(file, parquet_images._image_column(file, "b")) == 64


def test_a_column_whose_name_has_a_dot_is_no_part_of_the_images(tmp_path):
    images = pa.array([{"bytes": image(3), "path": "1.jpg"}], STRUCT)
    pq.write_table(pa.table({"image.bytes": [7], "image.path": [8], "image": images}), tmp_path / "a.parquet")
    folder = ParquetImages(str(tmp_path / "a.parquet"))
    assert list(folder.names().values()) == [["1.jpg"]]
    assert list(folder.read_many(["1.jpg"])) == [image(3)]


def test_paths_that_are_not_utf_8_are_told(tmp_path):
    latin = pa.Array.from_buffers(pa.string(), 1, pa.array([b"J\xf6rg.jpg"]).buffers())
    pq.write_table(
        pa.table({"image": pa.StructArray.from_arrays([pa.array([image(1)]), latin], ["bytes", "path"])}), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet .*UTF8"):
        ParquetImages(str(tmp_path / "a.parquet")).names()


def test_images_that_vanished_are_looked_for_once(tmp_path, monkeypatch):
    folder = ParquetImages(write(tmp_path / "a.parquet", ["1.jpg", "2.jpg"]), ["1.jpg", "gone.jpg", "lost.jpg", "2.jpg"])
    passes = []
    gather = parquet_images._gather
    monkeypatch.setattr(parquet_images, "_gather", lambda *asked: passes.append(asked) or gather(*asked))
    for name in ("gone.jpg", "lost.jpg"):
        with pytest.raises(UnreadableFileError, match=rf"a\.parquet: {name}: cannot be read \(no such image in it\)"):
            list(folder.read_many([name]))
    assert list(folder.read_many(["2.jpg", "1.jpg"])) == [image(1), image(0)]
    assert len(passes) == 1


def test_the_disk_is_free_again_when_the_images_are_done_with(tmp_path):
    folder = ParquetImages(write(tmp_path / "a.parquet", ["1.jpg"]))
    list(folder.read_many(["1.jpg"]))
    file = folder._gathered.file
    del folder
    gc.collect()
    assert file.closed


def test_a_disk_that_fills_up_while_the_images_are_copied(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", ["1.jpg"])

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match=r": cannot be written \(No space left on device\); free some space or set TMPDIR"):
        list(ParquetImages(path).read_many(["1.jpg"]))


def test_a_url_is_told_to_be_downloaded():
    with pytest.raises(DataError, match=r"s3://b/train\.parquet: images in Parquet files are read on this machine only; download the file"):
        open_images("s3://b/train.parquet")


def test_a_disk_that_is_full_at_the_end_of_the_copying(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", ["1.jpg"])
    # So little stays in the file's buffer until it is flushed.
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Path("/dev/full").open("r+b"))  # noqa: SIM115 (closed by what is tested)
    with pytest.raises(DataError, match=r": cannot be written \(No space left on device\); free some space or set TMPDIR"):
        list(ParquetImages(path).read_many(["1.jpg"]))
