"""`tools/check_shards --rebuild-index`."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.manifest import load_manifest
from shards.storage.opening import lock
from tests.conftest import pack
from tests.damage import digests, flip, members, repair_manifest, samples, write_tar

BESIDE = ["index.npy", "labels.npy", "keys.npy", "wids.json"]


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "copy")


def rebuild(folder, **options):
    check_shards(CheckOptions(folder=str(folder), rebuild_index=True, **({"workers": 1} | options)))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_undamaged_data_set_comes_out_byte_for_byte(shards, copy, capsys, workers):
    rebuild(copy, workers=workers)
    assert digests(copy) == digests(shards)
    assert capsys.readouterr().out == f"{copy}: rebuilt, 80 samples (train 52, val 13, test 15) in 9 shards\n"


def test_whatever_is_lost_or_damaged_beside_the_tars_comes_back(shards, copy):
    for path in copy.glob("*.idx"):
        path.unlink()
    for name in BESIDE:
        (copy / name).write_bytes(b"damaged")
    rebuild(copy)
    assert digests(copy) == digests(shards)


@pytest.mark.parametrize("manifest", [None, "{", '{"format_version": 1}', "damaged"])
def test_without_a_sound_manifest_the_names_come_from_the_attribute_file(celeba, shards, copy, manifest):
    path = copy / "manifest.json"
    seed = load_manifest(shards).seed
    if manifest is None:
        path.unlink()
    else:
        path.write_text(path.read_text().replace("Bald", "Bold") if manifest == "damaged" else manifest)
    before = digests(copy)
    with pytest.raises(ConfigurationError, match=r"is missing or damaged, and the tars do not hold the attribute names; add --attributes"):
        rebuild(copy)
    assert digests(copy) == before
    rebuild(copy, attributes=str(celeba / "list_attr_celeba.txt"))
    made, sound = load_manifest(copy), load_manifest(shards)
    assert made.seed is None
    assert seed is not None
    assert (made.attributes, made.shards, made.files, made.source_digest) == (
        sound.attributes,
        sound.shards,
        sound.files,
        sound.source_digest,
    )
    assert len(ShardDataset(copy)) == 80
    check_shards(CheckOptions(folder=str(copy), workers=1))


def test_names_of_another_number_are_refused(copy, tmp_path):
    (copy / "manifest.json").unlink()
    table = tmp_path / "table.csv"
    table.write_text("image,A,B\n000001.jpg,1,0\n")
    with pytest.raises(DataError, match=r"its label vector has 40 entries, and there are 2 attributes .*nothing was changed"):
        rebuild(copy, attributes=str(table))


def test_names_that_contradict_a_sound_manifest_are_refused(celeba, copy, tmp_path):
    rebuild(copy, attributes=str(celeba / "list_attr_celeba.txt"))
    table = tmp_path / "table.csv"
    table.write_text("image,A,B\n000001.jpg,1,0\n")
    with pytest.raises(ConfigurationError, match=r"table.csv: names other attributes than .*manifest.json, which is sound"):
        rebuild(copy, attributes=str(table))


def test_a_gap_is_named(copy):
    (copy / "val-000001.tar").unlink()
    before = digests(copy)
    with pytest.raises(DataError, match=r"val-000001\.tar is missing, and later ones are there; restore it; nothing was changed"):
        rebuild(copy)
    assert digests(copy) == before


def test_a_lost_last_shard_is_left_out_and_told(copy, capsys):
    (copy / "val-000002.tar").unlink()
    rebuild(copy)
    out = capsys.readouterr().out
    assert "note: the manifest before named val-000002.tar, which is not there any more" in out
    assert "note: the manifest before was made for other samples, labels or attribute names than are there now" in out
    assert len(ShardDataset(copy)) == 80 - 4


def test_tars_that_the_manifest_does_not_know_are_taken(shards, copy):
    """What a rebuild is for: the manifest's hashes need not be the tars'."""
    parts = members(copy / "train-000001.tar")
    write_tar(copy / "train-000001.tar", parts[2:] + parts[:2])
    rebuild(copy)
    check_shards(CheckOptions(folder=str(copy), workers=1))
    assert load_manifest(copy).source_digest == load_manifest(shards).source_digest


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_image_refuses_and_changes_nothing(copy, workers):
    sample = samples(copy / "test-000001.tar")[2]
    data = bytearray((copy / "test-000001.tar").read_bytes())
    data[sample.image.data_at + sample.image.size - 40 : sample.image.data_at + sample.image.size] = bytes(40)
    (copy / "test-000001.tar").write_bytes(data)
    before = digests(copy)
    with pytest.raises(DataError, match=rf"test-000001\.tar: {sample.key}: its image cannot be decoded .*nothing was changed"):
        rebuild(copy, workers=workers)
    assert digests(copy) == before


def test_a_damaged_header_refuses(copy):
    sample = samples(copy / "train-000000.tar")[1]
    flip(copy / "train-000000.tar", sample.labels.header_at + 150, 1)
    with pytest.raises(DataError, match=rf"train-000000\.tar: {sample.key}: the header of '{sample.key}\.npy' is damaged"):
        rebuild(copy)


def test_a_key_in_two_shards_refuses(copy):
    parts = members(copy / "train-000000.tar")
    write_tar(copy / "val-000000.tar", parts[:2] + members(copy / "val-000000.tar"))
    before = digests(copy)
    key = samples(copy / "train-000000.tar")[0].key
    with pytest.raises(DataError, match=rf"val-000000\.tar: {key}: is in train-000000\.tar too"):
        rebuild(copy)
    assert digests(copy) == before


def test_tars_without_samples_refuse(tmp_path):
    write_tar(tmp_path / "train-000000.tar", [])
    (tmp_path / "table.csv").write_text("image,A\n1,1\n")
    with pytest.raises(DataError, match="its tars hold no samples"):
        rebuild(tmp_path, attributes=str(tmp_path / "table.csv"))


def test_folders_that_cannot_be_rebuilt(copy, tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        rebuild(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(DataError, match=r"holds no train-000000\.tar or other shard"):
        rebuild(tmp_path)
    (copy / ".parts").mkdir()
    with pytest.raises(ConfigurationError, match="its packing has not ended, so tars may be missing"):
        rebuild(copy)


def test_one_at_a_time(copy):
    with lock(str(copy)), pytest.raises(ConfigurationError, match=r"is at work"):
        rebuild(copy)


def test_a_hostile_manifest_is_not_sound(copy):
    shards = load_manifest(copy).shards
    repair_manifest(copy, shards=(dataclasses.replace(shards[0], name="../x.tar"), *shards[1:]))
    with pytest.raises(ConfigurationError, match="add --attributes"):
        rebuild(copy)


def test_another_seeds_packing_keeps_its_seed(celeba, tmp_path):
    out = pack(celeba, tmp_path / "out", seed=5)
    before = digests(out)
    (out / "index.npy").unlink()
    rebuild(out)
    assert digests(out) == before
    assert json.loads((out / "manifest.json").read_text())["seed"] == 5
    assert len(np.load(out / "index.npy")) == 80
