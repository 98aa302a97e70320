"""Files of another packing beside the shards, and manifests that were edited."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest

from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.manifest import dump_manifest, load_manifest
from tests.conftest import pack, write_celeba
from tests.damage import problems, rebuild, repair_manifest


def swapped(attributes: tuple[str, ...]) -> tuple[str, ...]:
    return (attributes[1], attributes[0], *attributes[2:])


def stale(copy: Path, other: Path) -> None:
    for name in ("index.npy", "labels.npy", "keys.npy"):
        shutil.copy(other / name, copy / name)


@pytest.fixture(scope="module")
def other_seed(celeba, tmp_path_factory) -> Path:
    """The same images packed in another order."""
    return pack(celeba, tmp_path_factory.mktemp("other") / "shards", seed=1)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    """Other images, as many of them and in as many shards."""
    return pack(write_celeba(tmp_path_factory.mktemp("foreign") / "celeba", seed=3), tmp_path_factory.mktemp("foreign") / "shards")


@pytest.mark.parametrize("which", ["other_seed", "foreign"])
def test_f18_arrays_of_another_packing_are_found_though_their_shapes_fit(copy, capsys, which, request):
    stale(copy, request.getfixturevalue(which))
    with pytest.raises(DataError, match=r"index\.npy: is not the file that the manifest means \(stale, foreign or damaged\)"):
        ShardDataset(copy)
    for fast in (True, False):
        lines, error = problems(copy, capsys, fast=fast)
    # The foreign images have the same names and the same seed, so their keys are in the same order.
    for name in ("index.npy", "labels.npy", *(["keys.npy"] if which == "other_seed" else [])):
        assert any(line.startswith(f"{name}: its SHA-256 is not the manifest's: it is damaged, stale or foreign") for line in lines)
    assert "problems" in error
    rebuild(copy)
    ShardDataset(copy)
    check_shards(CheckOptions(folder=str(copy), workers=1))


@pytest.mark.parametrize("which", ["other_seed", "foreign"])
def test_f18_and_though_the_manifest_was_made_to_fit(copy, capsys, which, request):
    stale(copy, request.getfixturevalue(which))
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    if which == "other_seed":
        assert sum("keys.npy does not name it for this shard" in line for line in lines) > 40
    else:
        assert sum("its checksum is not index.npy's" in line for line in lines) > 2
        assert any(line.startswith("manifest.json: its source digest is not that of its attribute names") for line in lines)


@pytest.mark.parametrize("name", ["index.npy", "labels.npy", "keys.npy"])
def test_f18_a_damaged_head_of_an_array_is_an_error_of_one_line(shards, copy, capsys, name):
    """NumPy reads the head with Python's own parser: damage there raises almost anything."""
    sound = (shards / name).read_bytes()
    for damaged in (b"", sound[:50], *(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :] for at in range(0, 128, 9))):
        (copy / name).write_bytes(damaged)
        with pytest.raises(DataError, match=re.escape(f"{copy / name}: ")):
            ShardDataset(copy)
        for fast in (True, False):
            lines, _ = problems(copy, capsys, fast=fast)
            assert any(line.startswith(f"{name}: ") for line in lines)


def test_f18_attributes_in_another_order_by_hand(copy):
    path = copy / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"attributes": swapped(tuple(fields["attributes"]))}))
    for open_it in (ShardDataset, lambda folder: check_shards(CheckOptions(folder=str(folder), fast=True))):
        with pytest.raises(DataError, match=r"manifest\.json: was edited or damaged \(its checksum is wrong\)"):
            open_it(copy)


def test_f18_attributes_in_another_order_with_the_checksum_made_anew(copy, capsys):
    manifest = load_manifest(copy)
    (copy / "manifest.json").write_text(dump_manifest(dataclasses.replace(manifest, attributes=swapped(manifest.attributes))))
    ShardDataset(copy)
    lines, error = problems(copy, capsys)
    assert lines == [
        "manifest.json: its source digest is not that of its attribute names with these keys, labels and images: attributes in another "
        "order, or arrays of another data set; restore it"
    ]
    assert error.endswith("restore the files named above, or pack the data set again")
    rebuild(copy)
    assert "note: the manifest before was made for other samples, labels or attribute names" in capsys.readouterr().out


def test_f18_another_format_version(copy):
    (copy / "manifest.json").write_text(dump_manifest(dataclasses.replace(load_manifest(copy), format_version=3)))
    for open_it in (ShardDataset, lambda folder: check_shards(CheckOptions(folder=str(folder)))):
        with pytest.raises(DataError, match=r"has format version 3, this program reads 1 and 2; pack the data set again"):
            open_it(copy)
