"""Parquet files that hold the images, as Hugging Face's datasets come: packed like a folder with a table."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError, Interrupted
from shards.image.header import MAX_BYTES
from shards.packing.pack import PackOptions, make_shards
from shards.storage import parquet_file
from shards.storage.folder import UnreadableFileError
from shards.storage.opening import open_images
from tests.conftest import ATTRIBUTES, pack, write_celeba
from tests.damage import digests
from tests.integration.conftest import train
from tests.integration.test_train import assert_same_run, stop_after

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(scope="module")
def celeba(tmp_path_factory) -> Path:
    return write_celeba(tmp_path_factory.mktemp("parquet") / "celeba")


def rows_of(celeba: Path) -> list[tuple[str, bytes, list[bool]]]:
    """Name, image and labels of each."""
    lines = (celeba / "list_attr_celeba.txt").read_text().splitlines()[2:]
    return [
        (name, (celeba / "img_align_celeba" / name).read_bytes(), [label == "1" for label in labels])
        for name, *labels in map(str.split, lines)
    ]


def table_of(rows, *, paths=True, plain=False, metadata=None, **columns) -> pa.Table:
    images = [{"bytes": data, "path": name if paths else None} for name, data, _ in rows]
    table = {"image": pa.array([data for _, data, _ in rows], pa.binary()) if plain else pa.array(images, STRUCT)}
    table |= {"celeb_id": pa.array(range(len(rows)))} | {name: pa.array(values) for name, values in columns.items()}
    for place, name in enumerate(ATTRIBUTES):
        table[name] = pa.array([labels[place] for _, _, labels in rows])
    made = pa.table(table)
    return made.replace_schema_metadata(metadata) if metadata else made


def write(path: Path, table: pa.Table, **options) -> str:
    pq.write_table(table, path, **({"row_group_size": 9} | options))
    return str(path)


def make(images: str | Path, out: Path, **options) -> Path:
    options = {"workers": 1, "shards": 3, "drop_columns": ("celeb_id",)} | options
    make_shards(PackOptions(images=str(images), out=str(out), **options))
    return out


def bytes_of(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in digests(folder).items() if name != "summary.json"}


@pytest.fixture(scope="module")
def packed(celeba) -> Path:
    """The files and their table, packed without a partition."""
    return pack(celeba, celeba.parent / "packed", partition=None)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("num_files", [1, 3])
def test_the_bytes_are_those_of_the_files_and_their_table(celeba, packed, tmp_path, num_files, workers):
    rows = rows_of(celeba)
    data = tmp_path / "data"
    data.mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(rows)), num_files)):
        write(data / f"train-{number:05d}-of-{num_files:05d}.parquet", table_of([rows[place] for place in part]))
    (data / "README.md").write_text("a data set")
    (data / ".gitattributes").write_text("*.parquet filter=lfs")
    images = data if num_files > 1 else next(data.glob("*.parquet"))
    assert bytes_of(make(images, tmp_path / "out", workers=workers)) == bytes_of(packed)


@pytest.mark.parametrize("options", [{"paths": False}, {"plain": True}])
def test_without_paths_an_image_has_the_name_of_its_file_and_row(celeba, tmp_path, options):
    rows = rows_of(celeba)[:12]
    out = make(write(tmp_path / "test-0.parquet", table_of(rows, **options)), tmp_path / "out", shards=1)
    dataset = ShardDataset(out)
    assert sorted(dataset.keys.tolist()) == [f"test-0_{row:06d}".encode() for row in range(12)]
    for number in range(12):
        row = int(dataset.key(number).rpartition("_")[2])
        assert dataset.labels[number].tolist() == [int(label) for label in rows[row][2]]
        entry = dataset.index[number]
        assert dataset.shard_path(entry["shard"]).read_bytes()[entry["offset"] :][: entry["size"]] == rows[row][1]


def test_paths_that_two_rows_share_name_nothing(celeba, tmp_path):
    rows = [("same.jpg", data, labels) for _, data, labels in rows_of(celeba)[:4]]
    out = make(write(tmp_path / "a.parquet", table_of(rows)), tmp_path / "out", shards=1)
    assert sorted(ShardDataset(out).keys.tolist()) == [f"a_{row:06d}".encode() for row in range(4)]


def test_each_file_is_a_split(celeba, tmp_path):
    rows = rows_of(celeba)
    data = tmp_path / "data"
    data.mkdir()
    for name, part in (("train-00000-of-00001", rows[:50]), ("validation-00000-of-00001", rows[50:60]), ("test-00000-of-00001", rows[60:])):
        write(data / f"{name}.parquet", table_of(part))
    dataset = ShardDataset(make(data, tmp_path / "out", partition=("tables",)))
    assert [len(dataset.split_range(split)) for split in ("train", "val", "test")] == [50, 10, 20]


def test_labels_of_another_table(celeba, packed, tmp_path):
    images = write(tmp_path / "faces.parquet", table_of(rows_of(celeba)))
    out = make(images, tmp_path / "out", attributes=(str(celeba / "list_attr_celeba.txt"),), drop_columns=None)
    assert bytes_of(out) == bytes_of(packed)
    again = make(images, tmp_path / "again", attributes=(images,))
    assert bytes_of(again) == bytes_of(packed)


def test_a_column_of_images_is_no_label_where_a_folder_holds_them_too(celeba, packed, tmp_path):
    table = write(tmp_path / "labels.parquet", table_of(rows_of(celeba)))
    assert bytes_of(make(celeba / "img_align_celeba", tmp_path / "out", attributes=(table,))) == bytes_of(packed)
    by_name = write(tmp_path / "named.parquet", table_of(rows_of(celeba), paths=False, file_name=[name for name, *_ in rows_of(celeba)]))
    out = make(celeba / "img_align_celeba", tmp_path / "by-name", attributes=(by_name,))
    assert bytes_of(out) == bytes_of(packed)


def test_classes_have_their_names(celeba, tmp_path):
    features = {
        "race": {"names": ["Black", "East Asian", "White"], "_type": "ClassLabel"},
        "sex": {"names": ["f", "m"], "_type": "ClassLabel"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    rows = rows_of(celeba)[:8]
    table = table_of(rows, metadata=metadata, race=[0, 1, 2, 0, 1, 2, None, -1], sex=[0, 1] * 4)
    out = make(write(tmp_path / "a.parquet", table), tmp_path / "out", columns=("race=*", "sex"), drop_columns=None, shards=1)
    dataset = ShardDataset(out)
    assert dataset.manifest.attributes == ("race=Black", "race=East Asian", "race=White", "sex")
    labels = {int(dataset.key(number)): dataset.labels[number].tolist() for number in range(8)}
    assert [labels[row + 1] for row in (0, 1, 2, 6, 7)] == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [-1, -1, -1, 0], [-1, -1, -1, 1]]


@pytest.mark.parametrize(
    "told", [b"{", b"[]", b'{"info": {"features": {"celeb_id": {"_type": "ClassLabel", "names": [1, 2, 3]}}}}', b'{"info": 5}']
)
def test_foreign_metadata_are_passed_over(celeba, packed, tmp_path, told):
    table = table_of(rows_of(celeba), metadata={b"huggingface": told})
    assert bytes_of(make(write(tmp_path / "a.parquet", table), tmp_path / "out")) == bytes_of(packed)


def test_a_finished_set_is_known_and_another_image_is_told(celeba, tmp_path, capsys):
    rows = rows_of(celeba)
    images = write(tmp_path / "a.parquet", table_of(rows))
    out = make(images, tmp_path / "out")
    os.utime(images, (1, 1))
    make(images, out)
    assert "is packed already, from these images and labels; nothing to do" in capsys.readouterr().out
    name, data, labels = rows[5]
    write(tmp_path / "a.parquet", table_of([*rows[:5], (name, data[:900] + b"x" + data[901:], labels), *rows[6:]]))
    with pytest.raises(ConfigurationError, match=rf"holds a data set already \({name} has changed\)"):
        make(images, out)


def test_bad_images_are_named_and_quarantined(celeba, tmp_path):
    rows = rows_of(celeba)[:20]
    for place, data in ((3, b"<html>"), (7, None), (9, b"")):
        rows[place] = (rows[place][0], data, rows[place][2])
    images = write(tmp_path / "a.parquet", table_of(rows))
    with pytest.raises(
        DataError, match=r"a\.parquet/0000\d\d\.jpg: (is neither JPEG nor PNG but an HTML page|is empty|.*, row 8: holds no image)"
    ):
        make(images, tmp_path / "refused")
    out = make(images, tmp_path / "out", on_bad_image="quarantine")
    quarantined = (out / "quarantine.csv").read_text()
    assert [f"{place:06d}.jpg" in quarantined for place in (4, 8, 10)] == [True] * 3
    assert "a.parquet, row 8: holds no image (null, or a path without the image's bytes); embed the image, or remove the row" in quarantined
    assert len(ShardDataset(out)) == 17


def test_a_job_reads_each_row_group_once(celeba, tmp_path, monkeypatch):
    images = write(tmp_path / "a.parquet", table_of(rows_of(celeba)), row_group_size=5)
    names = [name for name, *_ in rows_of(celeba)]
    groups = []
    iter_batches = pq.ParquetFile.iter_batches

    def counted(file, *arguments, row_groups=None, **options):
        groups.extend(row_groups or [])
        return iter_batches(file, *arguments, row_groups=row_groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    # Every seventh image, backwards, and none of the rows behind 50.
    chosen = names[49::-7]
    found = open_images(images, chosen)
    assert [data for name in chosen for data in found.read_many([name])] == [
        (celeba / "img_align_celeba" / name).read_bytes() for name in chosen
    ]
    assert groups == sorted({names.index(name) // 5 for name in chosen})


def test_a_stopped_and_resumed_run_is_the_same_run(celeba, tmp_path, monkeypatch):
    out = make(write(tmp_path / "a.parquet", table_of(rows_of(celeba))), tmp_path / "shards")
    train(out, tmp_path / "whole")
    stop_after(monkeypatch, [(1, 2)])
    with pytest.raises(Interrupted):
        train(out, tmp_path / "parts", run__if_exists="resume")
    train(out, tmp_path / "parts", run__if_exists="resume")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_killed_packing_is_finished_by_the_same_command(celeba, packed, tmp_path):
    images = write(tmp_path / "a.parquet", table_of(rows_of(celeba)))
    program = f"""
import os, signal
from shards.packing import job
from shards.packing.pack import PackOptions, make_shards
write, notes = job._write_note, []
def killed(*arguments):
    write(*arguments)
    notes.append(arguments)
    if len(notes) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
job._write_note = killed
make_shards(PackOptions(images={images!r}, out={str(tmp_path / "out")!r}, workers=1, shards=3, drop_columns=("celeb_id",)))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=120).returncode == -signal.SIGKILL
    out = make(images, tmp_path / "out")
    assert json.loads((out / "summary.json").read_text())["resumed_shards"] == 2
    assert bytes_of(out) == bytes_of(packed)


def test_a_key_column_has_no_effect_on_rows_that_hold_their_image(celeba, tmp_path):
    images = write(tmp_path / "a.parquet", table_of(rows_of(celeba)))
    with pytest.raises(
        ConfigurationError, match=r"--key-column has no effect on .*a\.parquet, each row of which holds its image; leave it out"
    ):
        make(images, tmp_path / "out", key_column="celeb_id", drop_columns=None)


def test_groups_and_splits_are_columns_of_the_same_file(celeba, tmp_path):
    rows = rows_of(celeba)[:40]
    table = table_of(rows, person=[f"p{place // 4}" for place in range(40)], split=["train", "val", "test", "train"] * 10)
    images = write(tmp_path / "a.parquet", table)
    by_column = ShardDataset(make(images, tmp_path / "split", partition=("column=split",), drop_columns=("celeb_id", "person")))
    assert [len(by_column.split_range(split)) for split in ("train", "val", "test")] == [20, 10, 10]
    by_group = ShardDataset(make(images, tmp_path / "group", group_column="person", drop_columns=("celeb_id", "split")))
    splits_of = {}
    for number in range(40):
        splits_of.setdefault((int(by_group.key(number)) - 1) // 4, set()).add(int(by_group.index[number]["split"]))
    assert all(len(splits) == 1 for splits in splits_of.values())


def test_the_dry_run_tells_what_it_would_be(celeba, tmp_path, capsys):
    images = write(tmp_path / "a.parquet", table_of(rows_of(celeba)))
    make(images, tmp_path / "out", dry_run=True, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["key_column"], found["matched"], found["image_sizes"]) == ("image", 80, {"178 x 218": 64})
    make(images, tmp_path / "out", dry_run=True)
    assert f"{images}: 80 rows; column 'image' names the image" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def refused(celeba: Path, tmp_path: Path, name: str) -> tuple[str | Path, str]:
    """Return what is given as --images, and the message."""
    rows = rows_of(celeba)[:4]
    path = tmp_path / "a.parquet"
    if name == "paths-only":
        write(path, table_of([(file, None, labels) for file, _, labels in rows]))
        return path, r"a\.parquet: no row holds an image, at most a path to it; pack the folder where the images lie, or embed them"
    if name == "labels-only":
        write(path, table_of(rows).drop_columns(["image"]))
        return path, r"a\.parquet: has no column of images \(bytes, or bytes and path\); name the folder of the images with --images"
    if name == "two-columns":
        write(path, table_of(rows).append_column("mask", pa.array([row[1] for row in rows], pa.binary())))
        return path, r"a\.parquet: holds images in several columns \('image', 'mask'\); write a file with one of them"
    if name == "cut":
        write(path, table_of(rows))
        path.write_bytes(path.read_bytes()[:-50])
        return path, r"a\.parquet: cannot be read as Parquet \(.*\); get a whole copy"
    if name == "no-labels":
        write(path, table_of(rows).select(["image", "celeb_id"]))
        return path, r"a\.parquet: the header names no attributes"
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "a.parquet", table_of(rows[:2]))
    write(tmp_path / "data" / "b.parquet", table_of(rows[2:]).drop_columns(["Young"]))
    return tmp_path / "data", r"b\.parquet: has other attributes than .*a\.parquet, 'Young' for example"


@pytest.mark.parametrize("name", ["paths-only", "labels-only", "two-columns", "cut", "no-labels", "other-columns"])
def test_what_cannot_be_packed_is_told_in_one_line(celeba, tmp_path, name):
    images, message = refused(celeba, tmp_path, name)
    with pytest.raises(DataError, match=message):
        make(images, tmp_path / "out")


def test_a_table_is_needed_where_the_images_are_files(celeba, tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing --attributes, the table of labels"):
        make(celeba / "img_align_celeba", tmp_path / "out")


def test_the_folder_of_a_repository_tells_where_its_files_lie(celeba, tmp_path):
    (tmp_path / "repository" / "data").mkdir(parents=True)
    write(tmp_path / "repository" / "data" / "train.parquet", table_of(rows_of(celeba)[:3]))
    with pytest.raises(ConfigurationError, match=r"missing --attributes, .*; they lie in .*repository/data\)"):
        make(tmp_path / "repository", tmp_path / "out")


def test_a_bomb_is_refused_from_the_files_end(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "_LEAST_BYTES", 2**20)
    rows = [(f"{number}.jpg", bytes(2**20), [True] * 40) for number in range(4)]
    images = write(tmp_path / "bomb.parquet", table_of(rows), compression="zstd", use_dictionary=False)
    # Not one page is read.
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", None)
    with pytest.raises(DataError, match=r"bomb\.parquet: the images of its row group 0, .* would inflate to 4,.* bytes, more than 100"):
        make(images, tmp_path / "out")


def test_one_image_too_large_is_refused_by_its_size(celeba, tmp_path):
    rows = rows_of(celeba)[:3]
    rows[1] = (rows[1][0], b"\xff\xd8\xff" + np.random.default_rng(0).bytes(MAX_BYTES), rows[1][2])
    images = write(tmp_path / "a.parquet", table_of(rows), use_dictionary=False)
    with pytest.raises(DataError, match=r"000002\.jpg: has \d+ bytes, more than 67108864; shrink it before packing"):
        make(images, tmp_path / "out", shards=1)


def test_an_image_that_is_not_there(celeba, tmp_path):
    images = write(tmp_path / "a.parquet", table_of(rows_of(celeba)[:3]))
    with pytest.raises(UnreadableFileError, match=r"a\.parquet: 9\.jpg: cannot be read \(no such image in it\)"):
        list(open_images(images).read_many(["9.jpg"]))


def test_a_full_disk_is_told(celeba, tmp_path, monkeypatch):
    images = write(tmp_path / "a.parquet", table_of(rows_of(celeba)[:3]))

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(DataError, match=r": cannot be written \(No space left on device\); free some space or set TMPDIR"):
        list(open_images(images).read_many(["000001.jpg"]))
