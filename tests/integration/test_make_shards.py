"""`tools/make_shards` as a user types it: tables of other people, bad images, and running it again."""

import csv
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shards.dataset import ShardDataset
from tests.conftest import write_celeba
from tests.damage import digests
from tests.integration.test_tools import run

NUM_IMAGES = 12
COLUMNS = ("number", "photo", "Young", "Bald", "remark")


def label(row: int, column: int) -> int:
    """Every third is not labelled, the others alternate."""
    return -1 if (row + column) % 3 == 0 else (row + column) % 2


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Images in sub-folders, named by the second column of a table with gaps; the same as CSV and as Parquet."""
    root = write_celeba(tmp_path_factory.mktemp("source") / "faces", num_images=NUM_IMAGES)
    names = []
    for row, path in enumerate(sorted((root / "img_align_celeba").iterdir())):
        names.append(f"person{row % 3}/{'day' if row % 2 else 'night'}/{path.name}")
        (root / "images" / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        path.rename(root / "images" / names[-1])
    labels = [[label(row, column) for column in range(2)] for row in range(NUM_IMAGES)]
    rows = [[row, name, *("" if value < 0 else value for value in labels[row]), f"row {row}, x"] for row, name in enumerate(names)]
    write_csv(root / "table.csv", rows)
    write_csv(root / "turned.csv", rows[::-1])
    young, bald = ([None if value < 0 else bool(value) for value in column] for column in zip(*labels, strict=True))
    remarks = [row[-1] for row in rows]
    table = pa.table(dict(zip(COLUMNS, [list(range(NUM_IMAGES)), names, young, bald, remarks], strict=True)))
    pq.write_table(table, root / "table.parquet")
    return root


def write_csv(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def pack(source: Path, out: Path, *flags: object, table: str = "table.csv"):
    inputs = ["--images", source / "images", "--attributes", source / table, "--key-column", "photo", "--columns", "Bald", "Young"]
    return run("make_shards", *inputs, "--out", out, "--shards", 2, *flags)


def data_set(folder: Path) -> dict[str, str]:
    """Hashes of all files but the one that tells the time."""
    return {name: digest for name, digest in digests(folder).items() if name != "summary.json"}


@pytest.fixture(scope="module")
def packed(source, tmp_path_factory) -> Path:
    """The table packed by one worker."""
    out = tmp_path_factory.mktemp("packed") / "out"
    done = pack(source, out, "--workers", 1)
    assert done.returncode == 0, done.stderr
    return out


def test_columns_and_gaps_come_out_in_the_array_and_beside_every_image(packed):
    dataset = ShardDataset(packed)
    assert dataset.manifest.attributes == ("Bald", "Young")
    wanted = {f"person{row % 3}_{'day' if row % 2 else 'night'}_{row + 1:06d}": [label(row, 1), label(row, 0)] for row in range(NUM_IMAGES)}
    assert {dataset.key(row): dataset.labels[row].tolist() for row in range(NUM_IMAGES)} == wanted
    assert (dataset.labels == -1).sum() == 8
    vectors = {}
    for path in packed.glob("*.tar"):
        with tarfile.open(path) as tar:
            for name in tar.getnames():
                if name.endswith(".npy"):
                    vectors[name.removesuffix(".npy")] = np.load(io.BytesIO(tar.extractfile(name).read())).tolist()
    assert vectors == wanted


@pytest.mark.parametrize(("table", "workers"), [("table.csv", 2), ("table.csv", 4), ("table.parquet", 2), ("turned.csv", 1)], ids=str)
def test_workers_format_and_order_of_rows_make_no_difference(source, packed, tmp_path, table, workers):
    done = pack(source, tmp_path / "out", "--workers", workers, table=table)
    assert (done.returncode, done.stderr) == (0, "")
    assert data_set(tmp_path / "out") == data_set(packed)


def test_running_it_again_does_nothing_and_refuses_to_begin_anew(source, packed):
    before = digests(packed)
    again = pack(source, packed)
    assert (again.returncode, again.stdout) == (0, f"{packed}: is packed already, from these images and labels; nothing to do\n")
    turned = pack(source, packed, table="turned.csv")
    assert (turned.returncode, turned.stdout) == (0, again.stdout)
    anew = pack(source, packed, "--no-resume")
    assert (anew.returncode, anew.stdout) == (2, "")
    assert anew.stderr == f"error: --out {packed}: holds a data set already (--no-resume was given); remove it or name another folder\n"
    assert digests(packed) == before


def linked(source: Path, copy: Path) -> Path:
    """Return a copy of the source in which files may be replaced."""
    for path in (*(source / "images").rglob("*.jpg"), *source.glob("table.*")):
        target = copy / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    return copy


@pytest.fixture
def bad(source, tmp_path) -> Path:
    """The source with two bad images, a row without an image and an image without a row."""
    copy = linked(source, tmp_path / "bad")
    replace(copy / "images/person0/night/000001.jpg", b"GIF89a")
    replace(copy / "images/person1/day/000002.jpg", b"")
    (copy / "images/person2/night/000003.jpg").rename(copy / "images/=1+2,x.jpg")
    return copy


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_bad_images_are_left_out_whatever_the_number_of_workers(bad, tmp_path):
    sets = []
    for workers in (1, 2, 4):
        out = tmp_path / f"out{workers}"
        done = pack(bad, out, "--on-bad-image", "quarantine", "--workers", workers)
        assert (done.returncode, done.stderr) == (0, "")
        assert "9 samples" in done.stdout
        assert "left out: 2 bad images, 1 row without an image, 1 image without a row; quarantine.csv lists them" in done.stdout
        summary = json.loads((out / "summary.json").read_text())
        assert [summary[name] for name in ("bad_images", "rows_without_image", "images_without_row")] == [2, 1, 1]
        assert sum(summary["samples"].values()) == 9
        sets.append(data_set(out))
    assert sets[0] == sets[1] == sets[2]
    assert list(csv.reader(io.StringIO((tmp_path / "out1" / "quarantine.csv").read_text()))) == [
        ["key", "file", "reason"],
        ["_1_2_x", "./=1+2,x.jpg", "the attribute file does not name it"],
        [
            "person0_night_000001",
            "person0/night/000001.jpg",
            "is neither JPEG nor PNG but a GIF image; convert it to PNG or JPEG (ImageMagick: mogrify -format png FILE)",
        ],
        ["person1_day_000002", "person1/day/000002.jpg", "is empty; replace the file or remove its row"],
        ["person2_night_000003", "person2/night/000003.jpg", "no such image; the attribute file names it"],
    ]
    again = pack(bad, tmp_path / "out1", "--on-bad-image", "quarantine")
    assert (again.returncode, "is packed already" in again.stdout) == (0, True)


@pytest.mark.parametrize("workers", [1, 2])
def test_without_a_quarantine_the_first_bad_image_ends_it(bad, tmp_path, workers):
    (bad / "images/=1+2,x.jpg").rename(bad / "images/person2/night/000003.jpg")
    done = pack(bad, tmp_path / "out", "--workers", workers)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert done.stderr.endswith("(--on-bad-image quarantine packs the rest)\n")
    assert not (tmp_path / "out" / "manifest.json").exists()


def file_of(folder: Path, sample: int) -> Path:
    """Return the image of a sample: no part of its name holds a `_`."""
    return Path("images", f"{ShardDataset(folder).key(sample).replace('_', '/')}.jpg")


@pytest.mark.parametrize(("change", "num_kept"), [("nothing", 5), ("time", 4), ("size", 4), ("--no-resume", 0), ("--check", 0)])
def test_it_goes_on_with_the_shards_that_are_still_right(source, packed, tmp_path, change, num_kept):
    copy, out = linked(source, tmp_path / "copy"), tmp_path / "out"
    # The very last to be packed: five of the six shards are finished before.
    last, first = file_of(packed, -1), file_of(packed, 0)
    replace(copy / last, b"")
    stopped = pack(copy, out, "--workers", 1)
    assert (stopped.returncode, stopped.stdout) == (3, "")
    assert f"{last}: is empty" in stopped.stderr
    replace(copy / last, (source / last).read_bytes())
    if change in ("time", "size"):
        replace(copy / first, (source / first).read_bytes() + b"\0" * (change == "size"))
        os.utime(copy / first, ns=(0, 1 if change == "time" else (source / first).stat().st_mtime_ns))
    flags = {"--no-resume": ["--no-resume"], "--check": ["--check", "header"]}.get(change, [])
    done = pack(copy, out, "--workers", 1, *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "summary.json").read_text())["resumed_shards"] == num_kept
    assert (f"in 6 shards ({num_kept} of them from before)" in done.stdout) == (num_kept > 0)
    assert (data_set(out) == data_set(packed)) == (change != "size")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--key-column", "foto"],
            "error: --key-column: {table} has no column 'foto'; did you mean 'photo'?\n",
        ),
        (["--columns", "Bold"], "error: --columns: {table} has no column 'Bold'; did you mean 'Bald'?\n"),
        (["--columns", "photo"], "error: --columns: 'photo' is the column of image files of {table}; leave it out\n"),
    ],
)
def test_wrong_columns_are_named(source, tmp_path, flags, message):
    done = pack(source, tmp_path / "out", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == message.format(table=source / "table.csv")
    assert not (tmp_path / "out").exists()
