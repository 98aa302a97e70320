"""Opening a data set: what is found at the start."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.damage import change_array, repair_manifest


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "copy")


def edit_manifest(folder, **fields):
    """As one does who knows of the checksum."""
    path = folder / "manifest.json"
    edited = json.loads(path.read_text()) | fields
    del edited["checksum"]
    checksum = hashlib.sha256(json.dumps(edited, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(edited | {"checksum": checksum}))


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"is not a data set .*make one with tools/make_shards"):
        ShardDataset(tmp_path)


@pytest.mark.parametrize("cut", [1, 512, 1024, 10_000])
def test_a_cut_shard_is_found(copy, cut):
    path = copy / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"train-000001\.tar: has \d+ bytes, the manifest says \d+"):
        ShardDataset(copy)


def test_a_missing_shard_is_found(copy):
    (copy / "val-000000.tar").unlink()
    with pytest.raises(DataError, match=r"val-000000\.tar: cannot be read"):
        ShardDataset(copy)


def test_another_format_version_is_refused(copy):
    edit_manifest(copy, format_version=3)
    with pytest.raises(DataError, match=r"has format version 3, this program reads 1 and 2"):
        ShardDataset(copy)


def test_an_edited_manifest_is_refused(copy):
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace('"Bald"', '"Bold"'))
    with pytest.raises(DataError, match=r"manifest\.json: was edited or damaged"):
        ShardDataset(copy)


def test_a_damaged_manifest_is_refused(copy):
    edit_manifest(copy, shards=[{"name": "x"}])
    with pytest.raises(DataError, match=r"lacks or misnames a field"):
        ShardDataset(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"is not JSON"):
        ShardDataset(copy)


def test_arrays_of_another_data_set_are_refused(copy):
    np.save(copy / "labels.npy", np.load(copy / "labels.npy")[:, :39])
    with pytest.raises(DataError, match=r"labels\.npy: has shape \(80, 39\), the manifest says \(80, 40\)"):
        ShardDataset(copy)
    (copy / "labels.npy").write_bytes(b"not an array")
    with pytest.raises(DataError, match=r"labels\.npy: is not an array file"):
        ShardDataset(copy)


def test_index_of_another_layout_is_refused(copy):
    np.save(copy / "index.npy", np.zeros(80, [("shard", "<u4")]))
    with pytest.raises(DataError, match=r"other columns than this format"):
        ShardDataset(copy)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("labels.npy", lambda array: array.astype(np.float32), r"labels\.npy: holds values of another type"),
        ("keys.npy", lambda array: np.arange(len(array)), r"keys\.npy: holds values of another type"),
    ],
)
def test_arrays_of_another_type_are_refused(copy, name, values, message):
    np.save(copy / name, values(np.load(copy / name)))
    repair_manifest(copy)
    with pytest.raises(DataError, match=message):
        ShardDataset(copy)


@pytest.mark.parametrize("shape", ["(99999999999999999999,)", f"({'-' * 5000}1,)", f"({'(' * 150}1{')' * 150},)"])
def test_a_hostile_head_of_an_array_is_refused(copy, shape):
    head = f"{{'descr': '|i1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    (copy / "labels.npy").write_bytes(b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(DataError, match=r"labels\.npy: (is not an array file|has shape)"):
        ShardDataset(copy)


def test_an_index_that_names_no_shard_and_a_key_that_is_no_text(copy):
    change_array(copy / "index.npy", lambda index: index["shard"].__setitem__(0, 77))
    change_array(copy / "keys.npy", lambda keys: keys.__setitem__(0, b"\xff"))
    repair_manifest(copy)
    dataset = ShardDataset(copy)
    assert dataset.key(0) == r"\xff"
    with pytest.raises(DataError, match=r"index\.npy: names shard 77, the manifest has \d+; restore it"):
        dataset.shard_path(77)
