"""`--dry-run`: everything is told, nothing is written."""

import json
import os

import pytest

from shards.errors import ConfigurationError, DataError
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from tests.unit.shards.packing.faces import put_faces


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four images, a hidden file, and a table of them with other columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    put_faces(tmp_path / "images", "a.JPG", "b.jpg", "c.jpg", "d.jpg", "._d.jpg")
    (tmp_path / "labels.csv").write_text(
        ",file,split,Smiling,age\n0,a.jpg,train,1,7\n1,b.jpg,val,0,80\n2,c.jpg,test,,9\n3,d.jpg,train,1,\n"
    )
    return tmp_path


def options(**changed) -> PackOptions:
    defaults = {
        "images": "images",
        "attributes": ("labels.csv",),
        "out": "out",
        "columns": ("Smiling", "age>=50"),
        "partition": ("column=split",),
        "dry_run": True,
    }
    return PackOptions(**defaults | changed)


def test_one_screen_tells_what_was_understood(folder, capsys):
    make_shards(options())
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [
        "labels.csv: 4 rows; column 'file' names the image",
        f"images: 4 of these rows have an image ({sum(p.stat().st_size for p in (folder / 'images').iterdir()) / 1e6:,.1f} MB)",
        "splits: train 2, val 1, test 1 (--partition column=split)",
        "image sizes: 48 x 40; 4 looked at",
        "key column 'file': its cells name the images, those of column 1, which has no name, do not",
        "1 row names its image with another suffix or slash: 'a.jpg' is 'a.JPG'",
        "1 hidden or system file was passed over",
        "attribute  positive, %  labelled  cells",
        "Smiling           66.7         3  1, 0, ''",
        "age>=50           33.3         3  7, 80, 9, ''",
        "to pack: tools/make_shards --images images --attributes labels.csv --out out --partition column=split --columns Smiling 'age>=50'",
    ]
    assert sorted(os.listdir(folder)) == ["images", "labels.csv"]


@pytest.mark.usefixtures("folder")
def test_the_command_that_it_prints_packs(capsys):
    make_shards(options(columns=("Smiling",)))
    command = capsys.readouterr().out.splitlines()[-1].removeprefix("to pack: ").split()
    assert command[0] == "tools/make_shards"
    make_shards(options(columns=("Smiling",), dry_run=False))
    assert "out: 4 samples (train 2, val 1, test 1)" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_json_has_all_of_it(capsys):
    make_shards(options(json=True))
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["matched"], found["key_column"]) == (4, 4, "file")
    assert found["splits"] == {"train": 2, "val": 1, "test": 1}
    assert found["image_sizes"] == {"48 x 40": 4}
    assert found["attributes"][1] == {"name": "age>=50", "positive": 1, "negative": 2, "unlabelled": 1, "cells": ["7", "80", "9", ""]}
    assert found["problems"] == []


@pytest.mark.parametrize(
    ("change", "message", "shown"),
    [
        (lambda images: (images / "b.jpg").rename(images / "x.jpg"), "lacks 1 of the 4 images", "rows without an image: 1 (b.jpg)"),
        (lambda images: (images / "x.jpg").write_bytes(b""), "holds 1 images that the attribute file", "images without a row: 1 (x.jpg)"),
        (
            lambda images: (images / "c.jpg").write_bytes(b"GIF89a"),
            "images/c.jpg: is neither JPEG nor PNG but a GIF",
            "bad image: c.jpg",
        ),
    ],
)
def test_what_would_stop_the_packing_is_told_after_the_page(folder, capsys, change, message, shown):
    change(folder / "images")
    with pytest.raises(DataError, match=message):
        make_shards(options())
    out = capsys.readouterr().out
    assert shown in out
    assert "to pack:" not in out
    assert not (folder / "out").exists()


def test_splits_that_do_not_fit(folder, capsys):
    (folder / "p.txt").write_text("a.jpg 0\nb.jpg 1\n")
    with pytest.raises(DataError, match=r"the partition file gives no split for 2 images, first 'c.jpg'"):
        make_shards(options(partition=("p.txt",)))
    assert "splits: cannot be told (--partition p.txt)" in capsys.readouterr().out


def test_json_alone_has_no_effect():
    with pytest.raises(ConfigurationError, match="--json has no effect without --dry-run"):
        options(dry_run=False, json=True)
