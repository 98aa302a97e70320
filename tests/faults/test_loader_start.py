"""F-15, F-16, F-18: training on cut shards, damaged arrays or a foreign or edited manifest ends at its start, and touches nothing."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest

import engine.train
from engine.config import DataConfig
from engine.data import open_data
from shards.errors import DataError
from shards.manifest import dump_manifest, load_manifest
from shards.tar import BLOCK
from tests.conftest import pack, write_celeba
from tests.damage import SHARD, digests, flip, samples
from tests.faults.test_damage import CUTS, cut_at
from tests.integration.conftest import flags
from tests.loading import batches

ARRAYS = ("index.npy", "labels.npy", "keys.npy")


@pytest.fixture
def refused(copy, tmp_path, monkeypatch, capsys, training):  # noqa: ARG001 (a fixture)
    """Train on the copy, over an earlier run and in a new folder; return the one line on stderr after the data set's folder."""

    def train() -> str:
        earlier = tmp_path / "earlier"
        (earlier / "checkpoints").mkdir(parents=True)
        for name in ("records.jsonl", "model.safetensors", "checkpoints/kept"):
            (earlier / name).write_text(name)
        before = digests(tmp_path)
        lines = set()
        capsys.readouterr()
        for run_dir, if_exists in (("new", "refuse"), ("earlier", "replace"), ("earlier", "resume")):
            monkeypatch.setattr(sys, "argv", ["train.py", *flags(copy, tmp_path / run_dir, run__if_exists=if_exists)])
            with pytest.raises(SystemExit) as end:
                engine.train.main()
            out, err = capsys.readouterr()
            assert (end.value.code, out, err.count("\n")) == (3, "", 1)
            lines.add(err)
        assert not (tmp_path / "new").exists()
        assert digests(tmp_path) == before
        (line,) = lines
        assert line.startswith(f"error: {copy}/")
        return line.removeprefix(f"error: {copy}/").strip()

    return train


@pytest.mark.parametrize("cut", CUTS)
def test_f15_a_cut_shard(copy, refused, cut):
    path = copy / SHARD
    data, size = path.read_bytes(), path.stat().st_size
    path.write_bytes(data[-2 * BLOCK :] if cut == "only the end" else data[: cut_at(path)[cut]])
    assert refused() == f"{SHARD}: has {path.stat().st_size} bytes, the manifest says {size}; restore the shard or pack again"


def test_a_missing_shard(copy, refused):
    (copy / SHARD).unlink()
    assert refused() == f"{SHARD}: cannot be read (No such file or directory); the manifest lists it"


def test_f16_60_of_60_flipped_bits_of_the_arrays_are_found_and_named(shards, copy):
    rng = np.random.default_rng(16)
    config = DataConfig(shards=str(copy), tasks=("Young",))
    open_data(config)
    told = {}
    for number in range(60):
        name = ARRAYS[number % 3]
        flip(copy / name, int(rng.integers((copy / name).stat().st_size)), int(rng.integers(8)))
        with pytest.raises(DataError) as caught:
            open_data(config)
        told[number] = str(caught.value)
        shutil.copy(shards / name, copy / name)
    assert [line for number, line in told.items() if not line.startswith(f"{copy / ARRAYS[number % 3]}: ") or "\n" in line] == []


@pytest.mark.parametrize("name", ARRAYS)
def test_f16_a_flipped_bit_of_an_array(copy, refused, name):
    flip(copy / name, (copy / name).stat().st_size - 5, 2)
    assert refused() == (
        f"{name}: is not the file that the manifest means (stale, foreign or damaged); restore it, or run "
        "tools/check_shards --rebuild-index"
    )


@pytest.fixture(scope="module")
def other_seed(celeba, tmp_path_factory):
    """The same images packed in another order."""
    return pack(celeba, tmp_path_factory.mktemp("other") / "shards", seed=1)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Other images, as many of them and in as many shards."""
    return pack(write_celeba(tmp_path_factory.mktemp("foreign") / "celeba", seed=3), tmp_path_factory.mktemp("foreign") / "shards")


@pytest.mark.parametrize(
    ("which", "name"), [*(("other_seed", name) for name in ARRAYS), ("foreign", "index.npy"), ("foreign", "labels.npy")]
)
def test_f18_an_array_of_another_packing(copy, refused, which, name, request):
    shutil.copy(request.getfixturevalue(which) / name, copy / name)
    assert refused().startswith(f"{name}: is not the file that the manifest means (stale, foreign or damaged); restore it, or run ")


@pytest.mark.parametrize("which", ["other_seed", "foreign"])
def test_f18_the_manifest_and_arrays_of_another_packing_whose_shards_are_as_large(copy, which, request):
    """Nothing tells them apart at the start but the images, which every batch's checksums do."""
    for name in ("manifest.json", *ARRAYS):
        shutil.copy(request.getfixturevalue(which) / name, copy / name)
    with pytest.raises(DataError, match=r"train-00000\d\.tar: image '\d{6}' is damaged|\.tar: has \d+ bytes, the manifest says") as caught:
        batches(1, copy)
    assert "\n" not in str(caught.value)


def test_f18_other_shards_of_the_same_names_and_sizes(copy, refused):
    for path in sorted(copy.glob("*.tar")):
        data = bytearray(path.read_bytes())
        # The same images, each turned by a byte within its place: as large, and another packing's for all that the index knows.
        for sample in samples(path):
            begin, end = sample.image.data_at, sample.image.data_at + sample.image.size
            data[begin:end] = data[begin + 1 : end] + data[begin : begin + 1]
        path.write_bytes(data)
    assert refused().endswith(
        "is damaged (its checksum differs from the index), as most that were tried; the shards are not those that the index means"
    )


def test_a_damaged_shard_among_sound_ones_is_no_foreign_data_set(copy):
    path = copy / SHARD
    path.write_bytes(bytes(path.stat().st_size))
    assert len(open_data(DataConfig(shards=str(copy), tasks=("Young",))).dataset) == 80


def edited(fields: dict) -> dict[str, str]:
    swapped = [fields["attributes"][1], fields["attributes"][0], *fields["attributes"][2:]]
    checked = "was edited or damaged (its checksum is wrong); restore it, or run tools/check_shards --rebuild-index"
    return {
        json.dumps(fields | {"attributes": swapped}): checked,
        json.dumps(fields | {"seed": 9}): checked,
        json.dumps(fields | {"format_version": 3}): "has format version 3, this program reads 1 and 2; pack the data set again",
        json.dumps(fields)[:-9]: "is not JSON (",
        "[]": "has format version None, this program reads 1 and 2; pack the data set again",
    }


@pytest.mark.parametrize("number", range(5), ids=["attributes", "seed", "version", "cut", "no-manifest"])
def test_f18_an_edited_manifest(copy, refused, number):
    path = copy / "manifest.json"
    text, message = list(edited(json.loads(path.read_text())).items())[number]
    path.write_text(text)
    assert refused().startswith(f"manifest.json: {message}")


def test_f18_another_format_version_with_its_checksum_made_anew(copy, refused):
    (copy / "manifest.json").write_text(dump_manifest(dataclasses.replace(load_manifest(copy), format_version=3)))
    assert refused() == "manifest.json: has format version 3, this program reads 1 and 2; pack the data set again"
