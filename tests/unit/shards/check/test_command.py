"""`tools/check_shards` on whole data sets and on slightly damaged ones; `tests/faults` has the rest."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.manifest import load_manifest
from tests.conftest import NUM_IMAGES
from tests.damage import change_array, flip, members, problems, repair_manifest, samples, write_tar

TOOL = Path(__file__).parents[4] / "tools" / "check_shards"


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "copy")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_whole_data_set(shards, capsys, workers):
    check_shards(CheckOptions(folder=str(shards), workers=workers))
    out = capsys.readouterr().out
    assert out.startswith(f"{shards}: {NUM_IMAGES} samples in 9 shards, 0.")
    assert "MB, whole (" in out
    assert len(out.splitlines()) == 1


def test_fast(shards, capsys):
    check_shards(CheckOptions(folder=str(shards), fast=True))
    assert "80 samples in 9 shards" in (out := capsys.readouterr().out)
    assert "sizes and shapes are right" in out


def test_all_problems_are_printed_in_the_shards_order_and_summed_up(copy, capsys):
    first, second = samples(copy / "train-000000.tar")[3], samples(copy / "val-000001.tar")[1]
    flip(copy / "train-000000.tar", first.image.data_at + 1000, 3)
    flip(copy / "val-000001.tar", second.labels.data_at + 130, 0)
    for workers in (1, 2):
        lines, error = problems(copy, capsys, workers=workers)
        assert lines[0] == "train-000000.tar: its bytes are not those that were packed: its SHA-256 is not the manifest's"
        assert lines[1] == f"train-000000.tar: {first.key}: its image is damaged: its checksum is not index.npy's"
        assert lines[2].startswith("val-000001.tar: its bytes")
        assert lines[3] == f"val-000001.tar: {second.key}: its labels are not those of labels.npy, first 'Attractive'"
        assert error.startswith(f"{copy}: 4 problems, the first: train-000000.tar: its bytes are not")
        assert error.endswith("; restore the files named above, or pack the data set again")


def test_more_than_twenty_problems_of_a_shard_are_counted(copy, capsys):
    change_array(copy / "index.npy", lambda index: index["crc32"].__iadd__(1))
    repair_manifest(copy)
    lines, error = problems(copy, capsys)
    num_samples = load_manifest(copy).shards[0].samples
    assert num_samples < 20
    assert sum("its checksum is not index.npy's" in line for line in lines) == NUM_IMAGES
    assert f"{copy}: 81 problems" in error
    change_array(copy / "index.npy", lambda index: index["width"].__iadd__(1))
    repair_manifest(copy)
    lines, error = problems(copy, capsys)
    assert sum("its image has the width 178, index.npy says 179" in line for line in lines) > 0
    assert f"train-000000.tar: and {2 * num_samples - 20} more problems" in lines


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("offset", "its image begins at byte"),
        ("size", "its image has the size"),
        ("crc32", "its checksum is not index.npy's"),
        ("width", "its image has the width"),
        ("height", "its image has the height"),
        ("shard", "1 of its rows have another shard number in index.npy, first row 60"),
        ("split", "1 of its rows have another split number in index.npy, first row 60"),
    ],
)
def test_every_column_of_the_index_is_compared(copy, capsys, column, text):
    change_array(copy / "index.npy", lambda index: index[column].__setitem__(60, index[column][60] + 1))
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    assert any(line.startswith("val-000001.tar: ") and text in line for line in lines)


def test_keys_and_their_order_are_compared(copy, capsys):
    keys = np.load(copy / "keys.npy").tolist()
    change_array(copy / "keys.npy", lambda keys: keys.__setitem__(5, b"other"))
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    assert f"train-000000.tar: {keys[5].decode()}: is in the tar, but keys.npy does not name it for this shard" in lines
    assert "train-000000.tar: other: keys.npy names it for this shard, but the tar has no such sample" in lines
    change_array(copy / "keys.npy", lambda array: array.__setitem__(slice(5, 7), [keys[6], keys[5]]))
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    assert f"train-000000.tar: {keys[6].decode()}: its samples stand in another order than keys.npy has them, first this one" in lines


def test_a_key_in_two_shards_is_found(copy, capsys):
    twice = np.load(copy / "keys.npy")[0].decode()
    tar = copy / "val-000000.tar"
    parts = members(tar)
    parts[:2] = members(copy / "train-000000.tar")[:2]
    write_tar(tar, parts)
    repair_manifest(copy)
    row = load_manifest(copy).num_samples("train")
    change_array(copy / "keys.npy", lambda keys: keys.__setitem__(row, twice.encode()))
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    assert f"val-000000.tar: {twice}: is in the data set twice; this is the second" in lines


@pytest.mark.parametrize(("value", "text"), [(3, "its label vector holds 3, expected 1, 0 or -1"), (0xFE, "its label vector holds -2")])
def test_labels_of_other_values_are_refused(copy, capsys, value, text):
    tar = copy / "test-000000.tar"
    sample = samples(tar)[2]
    data = bytearray(tar.read_bytes())
    data[sample.labels.data_at + 128] = value
    tar.write_bytes(data)
    lines, _ = problems(copy, capsys)
    assert any(line.startswith(f"test-000000.tar: {sample.key}: {text}") for line in lines)


def test_wids_must_fit_the_shards(copy, capsys):
    wids = json.loads((copy / "wids.json").read_text())
    wids["shardlist"][0]["md5sum"] = "0" * 32
    (copy / "wids.json").write_text(json.dumps(wids, indent=1) + "\n")
    repair_manifest(copy)
    assert problems(copy, capsys)[0] == ["wids.json: does not describe these shards; restore it, or run tools/check_shards --rebuild-index"]


def test_the_dali_index_must_fit_the_tar(copy, capsys):
    path = copy / "train-000001.idx"
    path.write_bytes(path.read_bytes().replace(b" 512 ", b" 513 ", 1))
    repair_manifest(copy)
    lines, error = problems(copy, capsys)
    assert lines == ["train-000001.idx: does not say where the samples of train-000001.tar lie; run tools/check_shards --rebuild-index"]
    assert error.endswith("or run tools/check_shards --rebuild-index")
    path.write_bytes(b"v1.2 3\n")
    lines, _ = problems(copy, capsys, fast=True)
    assert lines[0].startswith("train-000001.idx: is not DALI's index of")
    path.unlink()
    for fast in (True, False):
        lines, _ = problems(copy, capsys, fast=fast)
        assert lines == ["train-000001.idx: cannot be read (No such file or directory); the manifest lists it"]


def test_what_is_no_plain_file_is_not_opened(copy, capsys):
    (copy / "train-000000.tar").unlink()
    os.mkfifo(copy / "train-000000.tar")
    for fast in (True, False):
        lines, _ = problems(copy, capsys, fast=fast)
        assert lines == ["train-000000.tar: is no plain file; the manifest lists it"]


@pytest.mark.parametrize("name", ["index.npy", "labels.npy", "keys.npy"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array" * 100])
def test_without_sound_arrays_the_tars_are_checked_alone(copy, capsys, name, content):
    (copy / name).write_bytes(content)
    flip(copy / "train-000000.tar", 1100, 0)
    lines, _ = problems(copy, capsys)
    assert any(line.startswith(f"{name}: is not an array of 80 samples as this format version has it") for line in lines)
    assert "train-000000.tar: its bytes are not those that were packed: its SHA-256 is not the manifest's" in lines


def test_counts_per_shard_are_compared_fast(copy, capsys):
    change_array(copy / "index.npy", lambda index: index["shard"].__setitem__(0, 7))
    repair_manifest(copy)
    lines, _ = problems(copy, capsys, fast=True)
    assert any(line.startswith("train-000000.tar: index.npy has 17 samples in it, the manifest says 18") for line in lines)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "../train-000000.tar"}, "names the shard '../train-000000.tar' of split 'train' where train-000000.tar"),
        ({"name": "pipe:touch canary"}, "names the shard 'pipe:touch canary'"),
        ({"name": "/etc/passwd"}, "names the shard '/etc/passwd'"),
        ({"split": "val"}, "names the shard 'train-000000.tar' of split 'val'"),
        ({"samples": -1}, "says that 'train-000000.tar' has -1 samples"),
        ({"bytes": "many"}, "'many' bytes, expected counts"),
    ],
)
def test_a_manifest_that_names_other_files_is_not_followed(copy, change, text):
    shards = load_manifest(copy).shards
    repair_manifest(copy, shards=(dataclasses.replace(shards[0], **change), *shards[1:]))
    for look in (ShardDataset, lambda folder: check_shards(CheckOptions(folder=str(folder)))):
        with pytest.raises(DataError, match=rf"manifest\.json: .*{re.escape(text)}"):
            look(copy)


def test_a_manifest_that_names_an_attribute_twice_is_refused(copy):
    repair_manifest(copy, attributes=("a", "a"))
    with pytest.raises(DataError, match="its attributes are not a list of different names"):
        ShardDataset(copy)


def test_files_of_nobody_are_noted(copy, capsys):
    for name in ("train-000009.tar", ".index.npy.1-00000000.tmp", "\x1b[31mred"):
        (copy / name).touch()
    (copy / "quarantine.csv").touch()
    check_shards(CheckOptions(folder=str(copy), fast=True))
    notes = capsys.readouterr().out.splitlines()[:-1]
    assert [note.removeprefix(f"note: {copy}/").partition(":")[0] for note in notes] == [
        "\\x1b[31mred",
        ".index.npy.1-00000000.tmp",
        "train-000009.tar",
    ]
    assert notes[2].endswith("the manifest does not know it, so it is no part of the data set")


def test_escapes_are_made_visible(copy, capsys):
    change_array(copy / "keys.npy", lambda keys: keys.__setitem__(5, b"\x1b[1m\n"))
    lines, _ = problems(copy, capsys)
    assert any("\\x1b[1m" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": "s3://bucket/faces"}, "s3://bucket/faces: is a URL; copy the data set to this machine"),
        ({"workers": 0}, "--workers is 0, expected at least 1"),
        ({"fast": True, "rebuild_index": True}, "--fast has no effect with --rebuild-index"),
        ({"attributes": "a.csv"}, "--attributes has no effect without --rebuild-index"),
        ({"key_column": "a"}, "--key-column and --columns have no effect without --attributes"),
        ({"columns": ("a",), "rebuild_index": True}, "--key-column and --columns have no effect without --attributes"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ConfigurationError, match=message):
        CheckOptions(**({"folder": "x"} | options))


def test_a_folder_without_a_data_set(tmp_path):
    with pytest.raises(DataError, match=r"is not a data set \(no manifest.json\)"):
        check_shards(CheckOptions(folder=str(tmp_path)))


def test_the_command_line(copy, shards):
    def run(*arguments):
        return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)

    done = run(str(shards), "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "whole" in done.stdout
    sample = samples(copy / "train-000002.tar")[0]
    flip(copy / "train-000002.tar", sample.image.data_at + 700, 1)
    done = run(str(copy))
    assert done.returncode == 3
    assert f"train-000002.tar: {sample.key}: " in done.stdout
    assert done.stderr.startswith(f"error: {copy}: 2 problems, the first: train-000002.tar: ")
    assert len(done.stderr.splitlines()) == 1
    assert run(str(copy), "--columns", "a").returncode == 2
