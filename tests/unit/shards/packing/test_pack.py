"""Packing as a whole: what is written, what is refused."""

import hashlib
import io
import json
import os
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import read_annotations
from shards.labels.partition import read_partition
from shards.manifest import load_manifest
from shards.packing.pack import PackOptions, make_shards
from tests.conftest import ATTRIBUTES, NUM_IMAGES, NUM_TEST, NUM_TRAIN, NUM_VAL, pack, write_celeba


def digests(folder: Path) -> dict[str, str]:
    """Hashes of all files but the one that tells the time."""
    paths = [path for path in sorted(folder.iterdir()) if path.name != "summary.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_tars_hold_the_sources_bytes_and_labels(celeba, shards):
    annotations = read_annotations(celeba / "list_attr_celeba.txt")
    labels = dict(zip(annotations.files.tolist(), annotations.labels.tolist(), strict=True))
    splits = read_partition(celeba / "list_eval_partition.txt")
    partition = dict(zip(splits.files.tolist(), splits.codes.tolist(), strict=True))
    seen = []
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            for image, label in zip(members[::2], members[1::2], strict=True):
                key = image.name.removesuffix(".jpg")
                assert label.name == f"{key}.npy"
                assert tar.extractfile(image).read() == (celeba / "img_align_celeba" / f"{key}.jpg").read_bytes()
                vector = np.load(io.BytesIO(tar.extractfile(label).read()))
                assert vector.dtype == np.int8
                assert vector.tolist() == labels[f"{key}.jpg".encode()]
                assert path.name.startswith(("train", "val", "test")[partition[f"{key}.jpg".encode()]])
                seen.append(key)
            assert all((m.mtime, m.uid, m.gid, m.uname, m.gname) == (0, 0, 0, "", "") for m in members)
    assert sorted(seen) == [f"{number:06d}" for number in range(1, NUM_IMAGES + 1)]


def test_index_points_at_the_bytes_and_agrees_with_the_arrays(celeba, shards):
    dataset = ShardDataset(shards)
    annotations = read_annotations(celeba / "list_attr_celeba.txt")
    assert len(dataset) == NUM_IMAGES
    for sample_id, row in enumerate(dataset.index):
        data = dataset.shard_path(row["shard"]).read_bytes()[int(row["offset"]) : int(row["offset"]) + int(row["size"])]
        key = dataset.key(sample_id)
        assert data == (celeba / "img_align_celeba" / f"{key}.jpg").read_bytes()
        assert row["crc32"] == zlib.crc32(data)
        assert (row["width"], row["height"]) == (178, 218)
        assert dataset.labels[sample_id].tolist() == annotations.labels[annotations.files.tolist().index(f"{key}.jpg".encode())].tolist()
    assert [len(dataset.split_range(split)) for split in ("train", "val", "test")] == [NUM_TRAIN, NUM_VAL, NUM_TEST]
    assert [set(dataset.index["split"][slice(*(r.start, r.stop))]) for r in map(dataset.split_range, ("train", "val", "test"))] == [
        {0},
        {1},
        {2},
    ]


def test_manifest_tells_what_is_there(shards):
    manifest = load_manifest(shards)
    found = digests(shards)
    assert manifest.attributes == tuple(ATTRIBUTES)
    assert {shard.name: shard.sha256 for shard in manifest.shards} == {
        name: value for name, value in found.items() if name.endswith(".tar")
    }
    assert {shard.name: shard.index_sha256 for shard in manifest.shards} == {
        name.replace(".idx", ".tar"): value for name, value in found.items() if name.endswith(".idx")
    }
    others = {"index.npy", "labels.npy", "keys.npy", "wids.json"}
    assert {name: entry.sha256 for name, entry in manifest.files.items()} == {name: found[name] for name in others}
    assert all(entry.bytes == (shards / name).stat().st_size for name, entry in manifest.files.items())
    assert all(shard.bytes == (shards / shard.name).stat().st_size for shard in manifest.shards)
    wids = json.loads((shards / "wids.json").read_text())
    assert [entry["nsamples"] for entry in wids["shardlist"]] == [shard.samples for shard in manifest.shards]
    assert (
        wids["shardlist"][0]["md5sum"]
        == hashlib.md5((shards / wids["shardlist"][0]["url"]).read_bytes(), usedforsecurity=False).hexdigest()
    )


def test_output_does_not_depend_on_workers_time_or_place(celeba, shards, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    again = digests(pack(celeba, tmp_path / "elsewhere" / shards.name, workers=2))
    assert again == digests(shards)
    assert again != digests(pack(celeba, tmp_path / shards.name, seed=1))


def test_source_digest_tells_sources_apart_but_not_seeds(celeba, shards, tmp_path):
    other_seed = load_manifest(pack(celeba, tmp_path / "seed", seed=1))
    other_source = load_manifest(pack(write_celeba(tmp_path / "source", seed=1), tmp_path / "other"))
    assert other_seed.source_digest == load_manifest(shards).source_digest != other_source.source_digest


def test_without_a_partition_file_the_split_is_random(celeba, tmp_path):
    manifest = load_manifest(pack(celeba, tmp_path / "out", partition=None, shards=None))
    assert [manifest.num_samples(split) for split in ("train", "val", "test")] == [56, 12, 12]
    assert sum(shard.split == "train" for shard in manifest.shards) == 8


@pytest.fixture
def damaged(tmp_path):
    """A source of its own, to be damaged."""
    return write_celeba(tmp_path / "celeba", num_images=12)


def assert_not_a_dataset(folder: Path) -> None:
    assert not (folder / "manifest.json").exists()
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    with pytest.raises(DataError, match="is not a data set"):
        ShardDataset(folder)


def test_an_undecodable_image_is_named_and_leaves_no_data_set(damaged, tmp_path):
    image = damaged / "img_align_celeba" / "000007.jpg"
    image.write_bytes(image.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"000007\.jpg: cannot be decoded"):
        pack(damaged, tmp_path / "out", workers=2)
    assert_not_a_dataset(tmp_path / "out")
    # After the image is mended, the same command finishes.
    image.write_bytes((damaged / "img_align_celeba" / "000008.jpg").read_bytes())
    assert len(ShardDataset(pack(damaged, tmp_path / "out", workers=2))) == 12


def test_rows_and_images_must_match(damaged, tmp_path):
    (damaged / "img_align_celeba" / "000003.jpg").rename(damaged / "img_align_celeba" / "extra.jpg")
    with pytest.raises(DataError, match=r"lacks 1 of the 12 images .* first '000003.jpg'"):
        pack(damaged, tmp_path / "out")
    (damaged / "img_align_celeba" / "000003.jpg").write_bytes((damaged / "img_align_celeba" / "extra.jpg").read_bytes())
    with pytest.raises(DataError, match=r"holds 1 images that the attribute file does not name, first 'extra.jpg'"):
        pack(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_keys_as_long_as_ustar_allows_keep_index_and_tar_in_step(tmp_path):
    source = write_celeba(tmp_path / "celeba", num_images=3)
    for path in [*(source / "img_align_celeba").iterdir()]:
        path.rename(path.with_name(path.stem + "k" * 90 + ".jpg"))
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        (source / name).write_text((source / name).read_text().replace(".jpg", "k" * 90 + ".jpg"))
    dataset = ShardDataset(pack(source, tmp_path / "out", shards=1))
    for sample_id, row in enumerate(dataset.index):
        with tarfile.open(dataset.shard_path(row["shard"])) as tar:
            member = tar.getmember(f"{dataset.key(sample_id)}.jpg")
            assert (member.offset_data, member.size) == (row["offset"], row["size"])
            # A USTAR header and nothing before it: PAX would have put one of its own there.
            assert member.offset + 512 == member.offset_data
            assert not member.pax_headers
            assert dataset.shard_path(row["shard"]).read_bytes()[member.offset + 257 : member.offset + 263] == b"ustar\x00"


def test_a_folder_of_tars_that_packing_did_not_begin_is_left_alone(celeba, tmp_path):
    (tmp_path / "train-000000.tar").write_bytes(b"years of work")
    with pytest.raises(ConfigurationError, match=r"is not empty \(holds 'train-000000.tar'\)"):
        pack(celeba, tmp_path)
    assert (tmp_path / "train-000000.tar").read_bytes() == b"years of work"


def test_the_output_must_be_free(celeba, shards, tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds a data set already \(seed 0, not 1\)"):
        pack(celeba, shards, seed=1)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match=r"is not empty \(holds 'notes.txt'\)"):
        pack(celeba, tmp_path)
    with pytest.raises(ConfigurationError, match=r"cannot be read as a folder .*; name a folder to write into"):
        pack(celeba, tmp_path / "notes.txt")


@pytest.mark.parametrize(("option", "value"), [("shards", 0), ("workers", 0), ("seed", -1)])
def test_options_out_of_range(option, value):
    with pytest.raises(ConfigurationError, match=f"--{option} is {value}"):
        PackOptions(images="a", attributes=("b",), out="c", **{option: value})


@pytest.mark.parametrize("option", ["images", "attributes", "out", "partition"])
def test_an_unset_shell_variable_is_no_path(option):
    paths = {"images": "a", "attributes": ("b",), "out": "c"} | {option: "" if option in ("images", "out") else ("",)}
    with pytest.raises(ConfigurationError, match=f"--{option} is empty"):
        PackOptions(**paths)


def test_an_empty_list_of_columns_is_not_all_columns():
    with pytest.raises(ConfigurationError, match="--columns names nothing"):
        PackOptions(images="a", attributes=("b",), out="c", columns=())


def test_a_foreign_folder_is_refused_before_the_images_are_looked_for(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match=r"is not empty \(holds 'notes.txt'\)"):
        make_shards(PackOptions(images="nowhere", attributes=("nowhere",), out=str(tmp_path)))
