"""Annotations, images and splits brought together. Nothing looks into the images here."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.errors import DataError
from shards.packing.inputs import absolute, local_file
from shards.packing.job import BadImage
from shards.packing.options import PackOptions
from shards.packing.source import read_source

LABELS = {"a.jpg": [1, 0], "b.jpg": [0, -1], "c.jpg": [1, 1], "one/d.jpg": [0, 0]}


def read(folder, *, rows=LABELS, splits=None, **options):
    lines = [",".join([name, *("" if value < 0 else str(value) for value in LABELS[name])]) for name in rows]
    (folder / "labels.csv").write_text("\n".join(["image,Young,Bald", *lines]) + "\n")
    if splits:
        (folder / "splits.csv").write_text("image,split\n" + "".join(f"{name},{split}\n" for name, split in splits.items()))
        options["partition"] = (str(folder / "splits.csv"),)
    names = {"images": str(folder / "images"), "attributes": (str(folder / "labels.csv"),), "out": str(folder / "out")}
    return read_source(PackOptions(**names, **options), lambda _: None)


@pytest.fixture
def folder(tmp_path):
    """An image for each row."""
    (tmp_path / "images" / "one").mkdir(parents=True)
    for size, name in enumerate(LABELS, start=1):
        (tmp_path / "images" / name).write_bytes(bytes(size))
    return tmp_path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.permutations(list(LABELS)))
def test_labels_sizes_and_splits_follow_their_images_whatever_the_order_of_rows(folder, rows):
    splits = {"c.jpg": "test", "a.jpg": "train", "one/d.jpg": "train", "b.jpg": "val"}
    source = read(folder, rows=rows, splits=splits)
    assert source.attributes == ("Young", "Bald")
    assert dict(zip(source.files.tolist(), source.labels.tolist(), strict=True)) == {k.encode(): v for k, v in LABELS.items()}
    assert dict(zip(source.keys.tolist(), source.sizes.tolist(), strict=True)) == {b"a": 1, b"b": 2, b"c": 3, b"one_d": 4}
    assert dict(zip(source.keys.tolist(), source.splits.tolist(), strict=True)) == {b"a": 0, b"b": 1, b"c": 2, b"one_d": 0}
    assert source.unmatched == ()


@pytest.mark.parametrize("rows", [["a.jpg", "b.jpg", "c.jpg", "one/d.jpg"], ["one/d.jpg", "c.jpg", "b.jpg", "a.jpg"]])
def test_a_random_split_belongs_to_the_images_and_not_to_the_rows(folder, rows):
    source = read(folder, rows=rows, seed=5)
    by_key = dict(zip(source.keys.tolist(), source.splits.tolist(), strict=True))
    # As the first release drew it: a data set packed again must not change its splits.
    assert by_key == {b"a": 0, b"b": 2, b"c": 0, b"one_d": 0}


def test_a_row_without_an_image_is_counted_and_named(folder):
    for name in ("c.jpg", "b.jpg"):
        (folder / "images" / name).unlink()
    with pytest.raises(DataError, match=r"images: lacks 2 of the 4 images .* first 'b.jpg'; --on-bad-image quarantine packs what matches"):
        read(folder)


def test_an_image_without_a_row_is_counted_and_named(folder):
    for name in ("y.JPG", "x.jpeg", "notes.txt"):
        (folder / "images" / name).touch()
    with pytest.raises(DataError, match=r"images: holds 2 images that the attribute file does not name, first 'x.jpeg'; --on-bad-image"):
        read(folder)


def test_the_quarantine_collects_both_and_the_rest_keeps_its_labels_and_splits(folder):
    (folder / "images" / "b.jpg").rename(folder / "images" / "x.jpg")
    source = read(folder, splits={"a.jpg": 2, "b.jpg": 1, "c.jpg": 0, "one/d.jpg": 1}, on_bad_image="quarantine")
    assert source.unmatched == (
        BadImage(key="b", file="b.jpg", reason="no such image; the attribute file names it"),
        BadImage(key="x", file="x.jpg", reason="the attribute file does not name it"),
    )
    assert source.files.tolist() == [b"a.jpg", b"c.jpg", b"one/d.jpg"]
    assert source.labels.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert source.splits.tolist() == [2, 0, 1]
    assert source.sizes.tolist() == [1, 3, 4]


def test_the_partition_of_a_larger_set_serves_a_part_of_it(folder):
    splits = dict.fromkeys([*LABELS, "elsewhere.jpg"], "val")
    assert read(folder, splits=splits).splits.tolist() == [1, 1, 1, 1]


def test_an_image_without_a_split_is_refused_even_with_a_quarantine(folder):
    with pytest.raises(DataError, match=r"gives no split for 1 images, first 'one/d.jpg'"):
        read(folder, splits={"a.jpg": "train", "b.jpg": "val", "c.jpg": "test"}, on_bad_image="quarantine")


def test_an_archive_unpacked_into_a_folder_of_its_own_name(folder):
    (folder / "images").rename(folder / "inner")
    (folder / "images").mkdir()
    (folder / "inner").rename(folder / "images" / "images")
    with pytest.raises(DataError, match=r"lacks 1 of the 4 images .*first 'one/d.jpg'; --on-bad-image quarantine"):
        read(folder)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / "images" / "again" / name).parent.mkdir(exist_ok=True)
        (folder / "images" / "again" / name).touch()
    with pytest.raises(DataError, match=r"lacks 4 of the 4 images .*; 2 files fit that row, 'again/a.jpg' and 'images/a.jpg' among them"):
        read(folder)


def test_a_folder_with_none_of_the_images(folder):
    for name in LABELS:
        (folder / "images" / name).rename(folder / "images" / f"{name}.png")
    with pytest.raises(DataError, match=r"lacks 4 of the 4 .*, first 'a.jpg'; the first file there is 'a.jpg.png'; put '.jpg' behind"):
        read(folder)
    # A quarantine of everything would be a silent way to pack nothing.
    with pytest.raises(DataError, match=r"lacks 4 of the 4 images"):
        read(folder, on_bad_image="quarantine")


def test_an_empty_folder_is_no_folder_of_images(folder):
    for name in LABELS:
        (folder / "images" / name).unlink()
    with pytest.raises(DataError, match=r"images: is not a folder of images"):
        read(folder)


def test_local_files_and_absolute_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "-x.csv").touch()
    for name in ("-x.csv", "./-x.csv", f"{folder}/-x.csv"):
        with local_file(name) as path:
            assert path.samefile(folder / "-x.csv")
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file"), local_file("gone.csv"):
        pytest.fail("there is nothing to give")
    assert absolute("-x") == str(folder / "-x")
    assert absolute("s3://bucket/x") == "s3://bucket/x"
    assert absolute("zip://x.zip") == str(folder / "x.zip")
    assert absolute("zip://img::x.zip") == f"zip://img::{folder / 'x.zip'}"
    assert absolute("zip://img::s3://bucket/x.zip") == "zip://img::s3://bucket/x.zip"
