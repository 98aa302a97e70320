"""What stands beside the shards."""

import hashlib
import itertools
import json

import numpy as np
import pytest

from shards.arrays import ShardFacts, new_arrays, publish, source_digest, wids_json
from shards.dataset import ShardDataset
from shards.files import probe, sha256_of
from shards.manifest import ARRAYS, MANIFEST, WIDS, load_manifest
from shards.storage.local_folder import LocalFolder
from shards.tar import INDEX_DTYPE

ATTRIBUTES = ("Young", "Bald")
KEYS = [b"c", b"a", b"dd"]
LABELS = [[1, 0], [0, -1], [1, 1]]


def facts(name: str, samples: int) -> ShardFacts:
    return ShardFacts(name=name, samples=samples, bytes=10, sha256=f"sha of {name}", md5=f"md5 of {name}", index_sha256="idx")


SHARDS = [facts("train-000000", 1), facts("train-000001", 1), facts("test-000000", 1)]


def fill(arrays) -> None:
    arrays.keys[:], arrays.labels[:] = KEYS, LABELS
    arrays.index["size"], arrays.index["crc32"] = [7, 8, 9], [70, 80, 90]


@pytest.fixture
def out(tmp_path):
    """A folder with three shards, as far as their names and sizes go."""
    for shard in SHARDS:
        (tmp_path / f"{shard.name}.tar").write_bytes(bytes(10))
    return LocalFolder(str(tmp_path))


def test_what_is_published_is_an_open_data_set(out, tmp_path):
    with new_arrays(out, 3, 2, key_width=2) as arrays:
        fill(arrays)
        manifest = publish(out, arrays, SHARDS, attributes=ATTRIBUTES, seed=5)
    dataset = ShardDataset(tmp_path)
    assert dataset.manifest == manifest == load_manifest(tmp_path)
    assert (dataset.keys.tolist(), dataset.labels.tolist()) == (KEYS, LABELS)
    assert dataset.index["shard"].tolist() == [0, 1, 2]
    assert dataset.index["split"].tolist() == [0, 0, 2]
    assert dataset.index["size"].tolist() == [7, 8, 9]
    assert (manifest.attributes, manifest.seed, [shard.split for shard in manifest.shards]) == (ATTRIBUTES, 5, ["train", "train", "test"])
    for name in (*ARRAYS, WIDS):
        entry, path = manifest.files[name], tmp_path / name
        assert (entry.bytes, entry.sha256, entry.probe_sha256) == (path.stat().st_size, sha256_of(path), probe(path))
    assert {path.name for path in tmp_path.iterdir()} == {*ARRAYS, WIDS, MANIFEST, *(f"{shard.name}.tar" for shard in SHARDS)}


def test_the_manifest_is_written_last(out, monkeypatch):
    written = []
    create = LocalFolder.create
    monkeypatch.setattr(LocalFolder, "create", lambda folder, name: (written.append(name), create(folder, name))[1])
    with new_arrays(out, 3, 2, key_width=2) as arrays:
        fill(arrays)
        publish(out, arrays, SHARDS, attributes=ATTRIBUTES, seed=None)
    assert written == [*ARRAYS, WIDS, MANIFEST]


def test_nothing_is_left_of_arrays_that_are_given_up(out, tmp_path):
    before = set(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="stop"), new_arrays(out, 3, 2, key_width=2) as arrays:
        assert arrays.folder.parent == tmp_path
        raise RuntimeError("stop")
    assert set(tmp_path.iterdir()) == before


def digest_of(order=(0, 1, 2), **changes) -> str:
    index = np.zeros(3, INDEX_DTYPE)
    index["size"], index["crc32"], index["split"] = [7, 8, 9], [70, 80, 90], [0, 0, 2]
    columns = {"attributes": ATTRIBUTES, "keys": np.array(KEYS), "labels": np.array(LABELS, np.int8)}
    for name, value in changes.items():
        if name in columns:
            columns[name] = value
        else:
            index[name][0] = value
    rows = list(order)
    return source_digest(columns["attributes"], columns["keys"][rows], columns["labels"][rows], index[rows])


def test_the_source_digest_does_not_depend_on_the_order_of_samples():
    assert {digest_of(order) for order in itertools.permutations(range(3))} == {digest_of()}
    # Nor on where a sample lies: that is the seed's doing.
    assert digest_of(offset=4096, shard=1) == digest_of()


def test_the_source_digest_depends_on_everything_else():
    others = [
        digest_of(attributes=("Bald", "Young")),
        digest_of(keys=np.array([b"x", b"a", b"dd"])),
        digest_of(labels=np.array([[1, 1], [0, -1], [1, 1]], np.int8)),
        digest_of(split=1),
        digest_of(crc32=71),
        digest_of(size=6),
    ]
    assert len({digest_of(), *others}) == 7


def test_the_source_digest_by_hand():
    index = np.zeros(1, INDEX_DTYPE)
    index["split"], index["crc32"], index["size"] = 2, 0x01020304, 5
    wanted = b"Young\nBald" + b"k" + b"\x01\xff" + b"\x02" + b"\x04\x03\x02\x01" + b"\x05\0\0\0"
    digest = source_digest(ATTRIBUTES, np.array([b"k"]), np.array([[1, -1]], np.int8), index)
    assert digest == hashlib.sha256(wanted).hexdigest()


def test_wids():
    assert json.loads(wids_json(SHARDS[:2], "0123456789abcdef0123")) == {
        "wids_version": 1,
        "name": "dropstream-0123456789abcdef",
        "shardlist": [
            {"url": "train-000000.tar", "md5sum": "md5 of train-000000", "nsamples": 1, "filesize": 10},
            {"url": "train-000001.tar", "md5sum": "md5 of train-000001", "nsamples": 1, "filesize": 10},
        ],
    }
