"""What an output folder holds already, compared with what is asked for."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.manifest import load_manifest
from shards.packing.finished import describe_finished
from shards.packing.job import NOTES
from shards.packing.options import PackOptions
from shards.packing.plan import ShardPlan, plan_shards
from shards.packing.source import read_source
from shards.storage.local_folder import LocalFolder
from tests.conftest import pack
from tests.damage import digests, folder_of


def asked(source: Path, out: Path, *, per_split: int = 1, **options) -> tuple:
    """The arguments of `describe_finished`."""
    options = PackOptions(
        images=str(source / "img_align_celeba"),
        attributes=(str(source / "list_attr_celeba.txt"),),
        partition=(str(source / "list_eval_partition.txt"),),
        out=str(out),
        **options,
    )
    read = read_source(options, lambda _: None)
    plans = plan_shards(read.keys, read.splits, read.sizes, shards_per_split=per_split, seed=options.seed)
    return LocalFolder(str(out)), options, read, plans


def test_a_folder_without_a_manifest_is_not_finished(source, tmp_path):
    assert not describe_finished(*asked(source, tmp_path / "missing"))
    folder_of(tmp_path, f"{NOTES}/begun")
    assert not describe_finished(*asked(source, tmp_path))


@pytest.mark.parametrize("on_bad_image", ["fail", "quarantine"])
def test_the_same_set_is_finished_and_leftover_notes_are_removed(source, packed, tmp_path, on_bad_image):
    out = shutil.copytree(packed, tmp_path / "out")
    folder_of(out, f"{NOTES}/begun", f"{NOTES}/test-000000.npy")
    assert describe_finished(*asked(source, out, on_bad_image=on_bad_image))
    assert digests(out) == digests(packed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 3}, "seed 0, not 3"),
        ({"columns": ("Young", "Male")}, "attributes 5_o_Clock_Shadow, Arched_Eyebrows, Attractive, …, not Young, Male, …"),
        ({"per_split": 2}, "6 samples in 3 shards"),
        ({"resume": False}, "--no-resume was given"),
    ],
)
def test_another_packing_is_named(source, packed, options, message):
    with pytest.raises(ConfigurationError, match=rf"--out {packed}: holds a data set already \({message}\); remove it or name another"):
        describe_finished(*asked(source, packed, **options))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda source: {"keys": np.char.replace(source.keys, b"000003", b"000009")}, "other images, or another order"),
        (lambda source: {"keys": source.keys[::-1]}, "other images, or another order"),
        (lambda source: {"labels": 1 - source.labels}, "other labels"),
        (lambda source: {"sizes": source.sizes + 1}, "'.*jpg' of .* bytes, which has .* now"),
    ],
    ids=["keys", "order", "labels", "sizes"],
)
def test_another_source_is_named(source, packed, change, message):
    folder, options, read, plans = asked(source, packed)
    with pytest.raises(ConfigurationError, match=rf"holds a data set already \({message}\)"):
        describe_finished(folder, options, dataclasses.replace(read, **change(read)), plans)


def test_samples_in_another_order_are_another_set(source, packed):
    folder, options, read, plans = asked(source, packed)
    turned = [ShardPlan(name=plan.name, rows=plan.rows[::-1]) for plan in plans]
    with pytest.raises(ConfigurationError, match="other images, or another order"):
        describe_finished(folder, options, read, turned)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "val-000000.tar").unlink(), "val-000000.tar: is missing; restore it"),
        (lambda out: (out / "train-000000.idx").unlink(), "train-000000.idx: is missing"),
        (lambda out: (out / "keys.npy").unlink(), "keys.npy: is missing"),
        (lambda out: os.truncate(out / "test-000000.tar", 512), r"test-000000.tar: has 512 bytes, the manifest says \d+"),
        (lambda out: os.truncate(out / "labels.npy", 100), r"labels.npy: has 100 bytes, the manifest says 368"),
        (lambda out: (out / "labels.npy").write_bytes(bytes(368)), r"labels.npy: is not the file that the manifest means"),
        (lambda out: (out / "manifest.json").write_text("{"), r"manifest.json: is not JSON"),
    ],
    ids=["no-tar", "no-idx", "no-keys", "cut-tar", "cut-labels", "other-labels", "manifest"],
)
def test_a_damaged_set_is_not_taken_for_finished(source, packed, tmp_path, damage, message):
    out = shutil.copytree(packed, tmp_path / "out")
    damage(out)
    before = digests(out)
    with pytest.raises(DataError, match=f"{out}/{message}"):
        describe_finished(*asked(source, out))
    assert digests(out) == before


def test_a_set_with_a_quarantine_is_finished_and_without_one_another(damaged, tmp_path):
    (damaged / "img_align_celeba" / "000002.jpg").write_bytes(b"GIF89a")
    # The same key as a sample's: what was left out is told by its file.
    shutil.copy(damaged / "img_align_celeba" / "000003.jpg", damaged / "img_align_celeba" / "000003.jpeg")
    out = pack(damaged, tmp_path / "out", shards=1, on_bad_image="quarantine")
    assert "2 images are in its quarantine.csv" in describe_finished(*asked(damaged, out, on_bad_image="quarantine"))
    (damaged / "img_align_celeba" / "000003.jpeg").unlink()
    with pytest.raises(ConfigurationError, match=r"from which 2 images were left out .*; add --on-bad-image quarantine"):
        describe_finished(*asked(damaged, out))
    (out / "quarantine.csv").unlink()
    with pytest.raises(ConfigurationError, match="5 samples in 3 shards"):
        describe_finished(*asked(damaged, out, on_bad_image="quarantine"))


def test_f20_a_split_whose_images_are_all_bad_has_no_shard(damaged, tmp_path):
    # 000005 is the only image of the validation split.
    (damaged / "img_align_celeba" / "000005.jpg").write_bytes(b"")
    out = pack(damaged, tmp_path / "out", shards=1, on_bad_image="quarantine")
    dataset = ShardDataset(out)
    assert [len(dataset.split_range(split)) for split in ("train", "val", "test")] == [4, 0, 1]
    assert not list(out.glob("val-*"))
    check_shards(CheckOptions(folder=str(out), workers=1))
    assert describe_finished(*asked(damaged, out, on_bad_image="quarantine"))


def test_shards_behind_one_without_a_sound_image_are_numbered_anew(damaged, tmp_path):
    keys = np.load(pack(damaged, tmp_path / "sound") / "keys.npy").tolist()
    first = load_manifest(tmp_path / "sound").shards[0].samples
    for key in keys[:first]:
        (damaged / "img_align_celeba" / f"{key.decode()}.jpg").write_bytes(b"GIF89a")
    out = pack(damaged, tmp_path / "out", on_bad_image="quarantine")
    assert [shard.name for shard in load_manifest(out).shards][:2] == ["train-000000.tar", "train-000001.tar"]
    assert len(load_manifest(out).shards) == len(load_manifest(tmp_path / "sound").shards) - 1
    assert np.load(out / "keys.npy").tolist() == keys[first:]
    check_shards(CheckOptions(folder=str(out), workers=1))
    assert describe_finished(*asked(damaged, out, per_split=3, on_bad_image="quarantine"))


def test_an_image_that_changed_but_for_its_size_is_another_image(damaged, tmp_path):
    out = pack(damaged, tmp_path / "out", shards=1)
    image = damaged / "img_align_celeba" / "000003.jpg"
    data = image.read_bytes()
    # Touched, not changed: the bytes are compared.
    os.utime(image, ns=(0, 0))
    assert "nothing to do" in describe_finished(*asked(damaged, out))
    image.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(ConfigurationError, match=r"holds a data set already \(000003\.jpg has changed\)"):
        describe_finished(*asked(damaged, out))


def test_a_set_that_was_checked_less_is_another_one(damaged, tmp_path):
    out = pack(damaged, tmp_path / "out", shards=1, check="header")
    assert describe_finished(*asked(damaged, out, check="header"))
    with pytest.raises(ConfigurationError, match=r"\(packed with --check header\)"):
        describe_finished(*asked(damaged, out, check="decode"))
