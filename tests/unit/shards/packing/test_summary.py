"""What came of a packing: the numbers by hand, and what is printed."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from shards.arrays import Arrays, ShardFacts
from shards.packing.job import BadImage, PackedShard
from shards.packing.options import PackOptions
from shards.packing.quarantine import NO_IMAGE, NO_ROW
from shards.packing.summary import AttributeSummary, Summary, print_summary, summarise, summary_json
from shards.tar import INDEX_DTYPE

OPTIONS = PackOptions(images="i", attributes=("a",), out="o", seed=7)


def shard(name: str, samples: int, image_bytes: int, *, resumed: bool = False) -> PackedShard:
    facts = ShardFacts(name=name, samples=samples, bytes=image_bytes + 500_000, sha256="", md5="", index_sha256="")
    return PackedShard(facts=facts, bad=(), image_bytes=image_bytes, resumed=resumed)


@pytest.fixture
def summary():
    """Four samples: two for training, one each for validation and test; three new shards and an empty one from before."""
    labels = np.array([[1, -1], [0, 1], [-1, 0], [1, 1]], np.int8)
    arrays = Arrays(folder=Path(), index=np.zeros(4, INDEX_DTYPE), labels=labels, keys=np.array([b"a", b"b", b"c", b"d"]))
    packed = [
        shard("train-000000", 1, 3_000_000),
        shard("train-000001", 1, 1_000_000),
        shard("val-000000", 1, 2_000_000),
        shard("test-000000", 1, 4_000_000, resumed=True),
    ]
    reasons = (
        [NO_IMAGE] * 180
        + ["is empty; replace the file or remove its row"] * 1233
        + [NO_ROW] * 2
        + ["is neither JPEG nor PNG but a GIF image"]
    )
    bad = [BadImage(key=f"{number}", file=f"{number}.jpg", reason=reason) for number, reason in enumerate(reasons)]
    return summarise(OPTIONS, ("Young", "Bald"), arrays, packed, bad, 2.0)


def test_the_numbers_by_hand(summary):
    assert summary == Summary(
        samples={"train": 2, "val": 1, "test": 1},
        shards=4,
        resumed_shards=1,
        image_bytes=10_000_000,
        shard_bytes=12_000_000,
        bad_images=1234,
        rows_without_image=180,
        images_without_row=2,
        seconds=2.0,
        # The shard from before was not packed in this run.
        images_per_second=1.5,
        megabytes_per_second=3.0,
        options=dataclasses.asdict(OPTIONS),
        attributes=(
            AttributeSummary(name="Young", labelled=(2, 0, 1), positive=(1, 0, 1)),
            AttributeSummary(name="Bald", labelled=(1, 1, 1), positive=(1, 0, 1)),
        ),
    )


def test_the_json_twin_says_the_same(summary):
    assert json.loads(summary_json(summary)) == json.loads(json.dumps(dataclasses.asdict(summary)))
    assert json.loads(summary_json(summary))["options"]["seed"] == 7


def printed(summary: Summary, capsys, folder: str = "out") -> list[str]:
    print_summary(folder, summary)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    """A console of 80 columns, no colours."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def test_what_is_printed(summary, capsys):
    lines = printed(summary, capsys)
    assert lines[:3] == [
        "out: 4 samples (train 2, val 1, test 1) in 4 shards (1 of them from before)",
        "12.0 MB in 2.0 s, 2 images/s, 3.0 MB/s",
        "left out: 1,234 bad images, 180 rows without an image, 2 images without a row; quarantine.csv lists them",
    ]
    # The share among the labelled, and how many these are where some are not.
    assert [line.split() for line in lines[3:6]] == [
        ["positive", "labels,", "%", "train", "val", "test"],
        ["Young", "50.0", "-", "100.0"],
        ["Bald", "100.0", "of", "1", "0.0", "100.0"],
    ]


def test_nothing_is_said_of_what_did_not_happen(summary, capsys):
    nothing = dataclasses.replace(summary, bad_images=0, rows_without_image=0, images_without_row=0, resumed_shards=0)
    text = "\n".join(printed(nothing, capsys))
    assert "left out" not in text
    assert "before" not in text
    assert "more in" not in text


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ((1, 0, 0), "left out: 1 bad image; quarantine.csv lists them"),
        ((0, 1, 0), "left out: 1 row without an image; quarantine.csv lists them"),
        ((0, 3, 1), "left out: 3 rows without an image, 1 image without a row; quarantine.csv lists them"),
    ],
)
def test_only_what_was_left_out_is_named(summary, capsys, counts, line):
    fields = dict(zip(("bad_images", "rows_without_image", "images_without_row"), counts, strict=True))
    assert printed(dataclasses.replace(summary, **fields), capsys)[2] == line


@pytest.mark.parametrize(
    ("num_attributes", "last"), [(40, "attribute-039"), (41, "… and 1 more in"), (1240, "… and 1,200 more in summary.json")]
)
@pytest.mark.parametrize("width", ["80", "160"])
def test_at_most_forty_attributes_are_printed(summary, capsys, monkeypatch, num_attributes, last, width):
    monkeypatch.setenv("COLUMNS", width)
    attributes = tuple(dataclasses.replace(summary.attributes[0], name=f"attribute-{number:03d}") for number in range(num_attributes))
    lines = printed(dataclasses.replace(summary, attributes=attributes), capsys)
    assert sum(line.count("attribute-") for line in lines) == 40
    assert last in lines[-1]


def test_a_wide_console_has_two_tables_side_by_side_and_a_narrow_one_loses_nothing(summary, capsys, monkeypatch):
    names = [f"attribute-{number}" for number in range(12)]
    many = dataclasses.replace(summary, attributes=tuple(dataclasses.replace(summary.attributes[0], name=name) for name in names))
    heights = {}
    for width in ("30", "80", "160"):
        monkeypatch.setenv("COLUMNS", width)
        lines = printed(many, capsys)
        heights[width] = sum("attribute-" in line for line in lines)
        assert all(name in "\n".join(lines) for name in names)
        # Rows of figures fit; the two lines above stay whole.
        assert lines[0].endswith("(1 of them from before)")
    assert heights == {"30": 12, "80": 12, "160": 6}


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "[/bold]", ":smile:", "<b>&amp;</b>", "=1+2"])
def test_f33_names_are_printed_as_they_are(summary, capsys, name):
    lines = printed(dataclasses.replace(summary, attributes=(dataclasses.replace(summary.attributes[0], name=name),)), capsys, folder=name)
    assert lines[0].startswith(f"{name}: 4 samples")
    assert lines[4].startswith(name)


def test_f33_escapes_in_the_folders_name_are_made_visible(summary, capsys):
    assert printed(summary, capsys, folder="\x1b[31mout\udcff")[0].startswith(r"\x1b[31mout\udcff: 4 samples")
