"""From ids to bytes."""

import errno
import gc
import os
import shutil

import numpy as np
import pytest
import simplejpeg

from engine.pipeline import source as source_module
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.source import ByteSource
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.damage import change_array, flip, repair_manifest


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "copy")


def damage(dataset: ShardDataset, sample_id: int) -> str:
    """Flip a bit in the middle of a sample's image; return the name of its shard."""
    row = dataset.index[sample_id]
    path = dataset.shard_path(row["shard"])
    flip(path, int(row["offset"]) + int(row["size"]) // 2, 4)
    return path.name


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_hands_out_the_sources_bytes_in_any_order(celeba, shards):
    dataset = ShardDataset(shards)
    source = ByteSource(dataset, check_crc=True)
    ids = np.random.default_rng(0).permutation(len(dataset))
    source.advise(ids)
    encoded = source.read(ids)
    assert encoded.bad == []
    for sample_id, data in zip(ids.tolist(), encoded.images, strict=True):
        assert data.tobytes() == (celeba / "img_align_celeba" / f"{dataset.key(sample_id)}.jpg").read_bytes()
        assert not data.flags.writeable
    source.close()


def test_few_files_are_open_and_none_after_close(shards, monkeypatch):
    monkeypatch.setattr(source_module, "MAX_OPEN_SHARDS", 2)
    dataset = ShardDataset(shards)
    before = open_files()
    source = ByteSource(dataset, check_crc=True)
    for _ in range(3):
        source.read(np.arange(80))
        source.advise(np.arange(80))
        assert open_files() == before + 2
    source.close()
    assert open_files() == before


def test_a_source_that_is_dropped_gives_its_files_back(shards):
    before = open_files()
    source = ByteSource(ShardDataset(shards), check_crc=True)
    source.read(np.arange(80))
    assert open_files() > before
    del source
    gc.collect()
    assert open_files() <= before


def test_a_flipped_bit_is_named_by_shard_and_key(copy):
    dataset = ShardDataset(copy)
    shard = damage(dataset, 17)
    with pytest.raises(DataError, match=f"{shard}: image '{dataset.key(17)}' is damaged .*set pipeline.on_bad_sample skip"):
        ByteSource(dataset, check_crc=True).read(np.arange(30))
    assert ByteSource(dataset, check_crc=False).read(np.arange(30)).bad == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "cannot be read: its shard cannot be opened .No such file"),
        (lambda path: os.truncate(path, path.stat().st_size - 512), "cannot be read: its shard has [0-9]+ bytes, the manifest says"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "is damaged"),
    ],
    ids=["deleted", "truncated", "replaced"],
)
def test_a_shard_that_changed_before_it_was_opened_is_named(copy, change, message):
    dataset = ShardDataset(copy)
    change(copy / "train-000000.tar")
    with pytest.raises(DataError, match=rf"train-000000\.tar: image '[0-9]+' {message}"):
        ByteSource(dataset, check_crc=True).read(np.arange(60))


def test_a_shard_cut_short_while_it_is_open_is_named_and_does_not_kill(copy):
    dataset = ShardDataset(copy)
    source = ByteSource(dataset, check_crc=True)
    source.read(np.arange(2))
    os.truncate(copy / "train-000000.tar", 1024)
    with pytest.raises(DataError, match=r"train-000000\.tar: image '[0-9]+' is cut off: the shard has become shorter"):
        source.read(np.arange(10))


def test_a_shard_deleted_while_it_is_open_is_read_to_its_end(copy):
    dataset = ShardDataset(copy)
    source = ByteSource(dataset, check_crc=True)
    first = source.read(np.arange(5)).images
    (copy / "train-000000.tar").unlink()
    assert [data.tobytes() for data in source.read(np.arange(5)).images] == [data.tobytes() for data in first]


def test_damaged_samples_are_skipped_up_to_a_budget(copy):
    dataset = ShardDataset(copy)
    for sample_id in (3, 17, 40):
        damage(dataset, sample_id)
    bad = BadSamples(dataset, budget=2)
    source = ByteSource(dataset, check_crc=True, bad_samples=bad)
    for _ in range(2):
        encoded = source.read(np.array([17, 5, 3]))
        assert encoded.bad == [0, 2]
        black = simplejpeg.decode_jpeg(encoded.images[0])
        assert black.shape == (218, 178, 3)
        assert not black.any()
    assert list(bad.reasons) == [17, 3]
    assert [(key, shard[:5]) for shard, key, _ in bad.named()] == [(dataset.key(17), "train"), (dataset.key(3), "train")]
    known = f"{dataset.key(17)}, {dataset.key(3)}"
    wanted = f"image '{dataset.key(40)}' is damaged .*; it is one more than .*max_bad_samples 2 allows, after {known};"
    for _ in range(2):
        with pytest.raises(DataError, match=wanted):
            source.read(np.arange(50))


def test_the_second_try_raises_like_the_first(copy):
    dataset = ShardDataset(copy)
    damage(dataset, 17)
    source = ByteSource(dataset, check_crc=True)
    for _ in range(2):
        with pytest.raises(DataError, match="is damaged"):
            source.read(np.array([17]))


@pytest.mark.parametrize("num_valid", [0, 1, 2])
def test_padding_is_the_last_sample_and_its_damage_is_not_told(copy, num_valid):
    dataset = ShardDataset(copy)
    ids = np.array([9, 17, 17, 17])[2 - num_valid :]
    bad = BadSamples(dataset, budget=1)
    source = ByteSource(dataset, check_crc=True, bad_samples=bad)
    whole = source.read(ids, num_valid)
    last = source.read(np.array([17])).images[0].tobytes()
    assert [data.tobytes() for data in whole.images[num_valid:]] == [last] * 2
    damage(dataset, 17)
    damaged = source.read(ids, num_valid)
    assert damaged.bad == ([num_valid - 1] if num_valid else [])
    assert list(bad.reasons) == ([17] if num_valid else [])
    assert not simplejpeg.decode_jpeg(damaged.images[-1]).any()


def test_running_out_of_descriptors_is_no_damage(shards, monkeypatch):
    dataset = ShardDataset(shards)
    bad = BadSamples(dataset, budget=10)
    source = ByteSource(dataset, check_crc=True, bad_samples=bad)

    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(DataError, match=r"\.tar: cannot be read .Too many open files"):
        source.read(np.arange(3))
    assert bad.reasons == {}


def test_a_shard_that_will_be_read_from_end_to_end_is_asked_for_piece_by_piece(shards, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *piece: asked.append(piece))
    dataset = ShardDataset(shards)
    source = ByteSource(dataset, check_crc=True)
    source.advise_shard(1)
    size = dataset.manifest.shards[1].bytes
    assert asked == [(offset, 1 << 17, os.POSIX_FADV_WILLNEED) for offset in range(0, size, 1 << 17)]
    source.close()


def test_what_cannot_be_advised_is_told_when_it_is_read(copy):
    dataset = ShardDataset(copy)
    (copy / "train-000000.tar").unlink()
    source = ByteSource(dataset, check_crc=True)
    source.advise(np.arange(50))
    with pytest.raises(DataError, match=r"cannot be opened"):
        source.read(np.arange(50))


def test_an_index_that_asks_for_more_than_there_is_costs_no_memory(copy):
    def enlarge(index):
        index["size"][0], index["width"][0], index["height"][0] = 2**32 - 1, 65_535, 65_535

    change_array(copy / "index.npy", enlarge)
    repair_manifest(copy)
    dataset = ShardDataset(copy)
    with pytest.raises(DataError, match=r"is not in its shard: the index names bytes behind its end"):
        ByteSource(dataset, check_crc=True).read(np.arange(1))
    skipping = ByteSource(dataset, check_crc=True, bad_samples=BadSamples(dataset, budget=1))
    with pytest.raises(DataError, match=r"index\.npy: says that \d+ has 65535x65535 pixels; restore it"):
        skipping.read(np.arange(1))


def test_an_index_that_tells_of_a_side_that_no_jpeg_has_is_told(copy):
    def stretch(index):
        index["crc32"][0], index["width"][0], index["height"][0] = 0, 65_535, 2

    change_array(copy / "index.npy", stretch)
    repair_manifest(copy)
    dataset = ShardDataset(copy)
    with pytest.raises(DataError, match=r"index\.npy: says that \d+ has 65535x2 pixels"):
        ByteSource(dataset, check_crc=True, bad_samples=BadSamples(dataset, budget=1)).read(np.arange(1))


def test_an_offset_beyond_all_files_is_told_when_it_is_read(copy):
    change_array(copy / "index.npy", lambda index: index["offset"].__setitem__(0, 2**64 - 1))
    repair_manifest(copy)
    source = ByteSource(ShardDataset(copy), check_crc=True)
    source.advise(np.arange(1))
    with pytest.raises(DataError, match=r"is not in its shard"):
        source.read(np.arange(1))


def test_an_index_that_names_no_shard_is_told(copy):
    change_array(copy / "index.npy", lambda index: index["shard"].__setitem__(0, 77))
    repair_manifest(copy)
    with pytest.raises(DataError, match=r"index\.npy: names shard 77"):
        ByteSource(ShardDataset(copy), check_crc=True).read(np.arange(1))
