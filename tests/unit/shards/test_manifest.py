"""`manifest.json`."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.characters import MISLEADING
from shards.errors import DataError
from shards.manifest import FileEntry, Manifest, ShardEntry, _checksum, dump_manifest, load_manifest, parse_manifest


def shard(name: str, **fields) -> ShardEntry:
    known = {"split": name.partition("-")[0], "samples": 3, "bytes": 10240, "sha256": "a" * 64, "index_sha256": "b" * 64}
    return ShardEntry(name=name, **(known | fields))


FILES = {name: FileEntry(bytes=7, sha256="c", probe_sha256="d") for name in ("index.npy", "labels.npy", "keys.npy", "wids.json")}
SHARDS = tuple(map(shard, ("train-000000.tar", "train-000001.tar", "test-000000.tar")))
MANIFEST = Manifest(
    format_version=1, attributes=("Young", "Bald"), seed=3, tool_version="0.1", source_digest="e", shards=SHARDS, files=FILES
)


def test_round_trip(tmp_path):
    (tmp_path / "manifest.json").write_text(dump_manifest(MANIFEST))
    assert load_manifest(tmp_path) == MANIFEST
    assert [MANIFEST.num_samples(split) for split in ("train", "val", "test")] == [6, 0, 3]


@given(
    st.lists(st.text(min_size=1).filter(lambda name: not MISLEADING.search(name)), min_size=1, max_size=4, unique=True),
    st.none() | st.integers(0),
    st.integers(0, 2**60),
)
def test_round_trip_of_any_names_and_numbers(attributes, seed, samples):
    shards = (shard("val-000000.tar", samples=samples),)
    manifest = dataclasses.replace(MANIFEST, attributes=tuple(attributes), seed=seed, shards=shards)
    assert parse_manifest(dump_manifest(manifest), name="m") == manifest


def test_a_changed_byte_is_seen():
    text = dump_manifest(MANIFEST)
    for at in range(0, len(text), 5):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        with pytest.raises(DataError, match=r"^m: "):
            parse_manifest(changed, name="m")


def test_no_manifest_means_no_data_set(tmp_path):
    with pytest.raises(DataError, match=rf"^{tmp_path}: is not a data set \(no manifest.json\); make one with tools/make_shards"):
        load_manifest(tmp_path)


def test_a_manifest_that_is_no_text_or_no_file(tmp_path):
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"manifest.json: is not UTF-8 text"):
        load_manifest(tmp_path)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(DataError, match=r"manifest.json: cannot be read \(Is a directory\)"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (dump_manifest(MANIFEST)[:-20], "is not JSON"),
        ("[]", "has format version None, this program reads 1 and 2; pack the data set again"),
        ("null", "has format version None"),
        ('{"format_version": 3}', "has format version 3, this program reads 1 and 2"),
        ('{"format_version": "1"}', "has format version '1'"),
        ('{"format_version": 1}', r"was edited or damaged \(its checksum is wrong\)"),
        (dump_manifest(MANIFEST).replace('"seed": 3', '"seed": 4'), r"was edited or damaged \(its checksum is wrong\)"),
    ],
)
def test_what_is_no_manifest_of_ours(text, message):
    with pytest.raises(DataError, match=f"^m: {message}"):
        parse_manifest(text, name="m")


def sealed(**changes) -> str:
    """A manifest changed by somebody who makes the checksum anew; a value of None takes the field away."""
    fields = json.loads(dump_manifest(MANIFEST))
    del fields["checksum"]
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    return json.dumps(fields | {"checksum": _checksum(fields)})


def files(**changes) -> dict:
    return {name: dataclasses.asdict(entry) | changes for name, entry in FILES.items()}


def shards(*entries: ShardEntry) -> list[dict]:
    return [dataclasses.asdict(entry) for entry in entries]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shards": None}, "lacks or misnames a field .*'shards'"),
        ({"attributes": ("Bald", "Bo\ud800ld")}, "its attributes are not a list of different names"),
        ({"tool_version": None}, "lacks or misnames a field .*tool_version"),
        ({"resized": {"side": 1}}, "lacks or misnames a field"),
        ({"resized": {"side": 1, "quality": 90, "encoder": ""}}, "says of its images what cannot be"),
        ({"format_version": 2, "resized": {"side": "1", "quality": 90, "encoder": ""}}, "says of its images what cannot be"),
        ({"extra": 1}, "lacks or misnames a field .*extra"),
        ({"shards": [{"name": "train-000000.tar"}]}, "lacks or misnames a field"),
        ({"shards": 5}, "lacks or misnames a field"),
        ({"files": []}, "lacks or misnames a field"),
        ({"attributes": 5}, "(lacks or misnames a field|its attributes are not a list)"),
        ({"attributes": []}, "its attributes are not a list of different names"),
        ({"attributes": "Young"}, "its attributes are not a list of different names"),
        ({"attributes": ["Young", "Young"]}, "its attributes are not a list of different names"),
        ({"attributes": ["Young", ""]}, "its attributes are not a list of different names"),
        ({"attributes": ["Young", 5]}, "its attributes are not a list of different names"),
        ({"files": {**files(), "x.npy": files()["keys.npy"]}}, "names the files 'index.npy', .*'x.npy', expected index.npy"),
        ({"files": {"index.npy": files()["keys.npy"]}}, "names the files 'index.npy', expected index.npy"),
        ({"files": files(bytes=-1)}, "gives no size of 'index.npy'"),
        ({"files": files(bytes="7")}, "gives no size of 'index.npy'"),
        ({"files": files(bytes=True)}, "gives no size of 'index.npy'"),
        ({"shards": shards(shard("../x.tar", split="train"))}, r"names the shard '\.\./x\.tar' of split 'train' where train-000000.tar"),
        ({"shards": shards(SHARDS[1])}, "names the shard 'train-000001.tar' of split 'train' where train-000000.tar"),
        ({"shards": shards(SHARDS[0], SHARDS[0])}, "names the shard 'train-000000.tar' of split 'train' where train-000001.tar"),
        ({"shards": shards(SHARDS[2], SHARDS[0])}, "names the shard 'train-000000.tar' of split 'train'"),
        ({"shards": shards(shard("train-000000.tar", split="test"))}, "names the shard 'train-000000.tar' of split 'test'"),
        ({"shards": shards(shard("all-000000.tar"))}, "names the shard 'all-000000.tar' of split 'all' where train-000000.tar"),
        ({"shards": shards(shard("train-000000.tar", samples=-1))}, "says that 'train-000000.tar' has -1 samples and 10240 bytes"),
        ({"shards": shards(shard("train-000000.tar", bytes=1.5))}, "says that 'train-000000.tar' has 3 samples and 1.5 bytes"),
    ],
)
def test_each_defect_is_named_though_the_checksum_fits(changes, message):
    with pytest.raises(DataError, match=f"^m: {message}"):
        parse_manifest(sealed(**changes), name="m")


def test_a_manifest_nested_without_end_is_refused():
    with pytest.raises(DataError, match=r"^m: is not JSON"):
        parse_manifest("[" * 100_000, name="m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source_digest": 5}, "gives no text as source_digest"),
        ({"tool_version": None}, "gives no text as tool_version"),
        ({"shards": (shard("train-000000.tar", sha256=["a"]),)}, "gives no text as sha256"),
        ({"files": FILES | {"keys.npy": FileEntry(bytes=7, sha256="c", probe_sha256=1)}}, "gives no text as probe_sha256"),
        ({"seed": "3"}, "has the seed '3', expected a whole number or none"),
        ({"seed": True}, "has the seed True"),
    ],
)
def test_values_of_another_type_are_refused_although_the_checksum_is_right(change, message):
    with pytest.raises(DataError, match=f"m: .*{message}"):
        parse_manifest(dump_manifest(dataclasses.replace(MANIFEST, **change)), name="m")


def test_a_manifest_nested_more_and_more_deeply_is_refused_at_every_depth():
    fields = dump_manifest(MANIFEST)
    for depth in range(700, 1100, 3):
        with pytest.raises(DataError, match=r"m: (is not JSON|was edited or damaged)"):
            parse_manifest(fields.replace('"seed": 3', f'"seed": {"[" * depth}{"]" * depth}'), name="m")
