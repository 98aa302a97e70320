"""From ids to bytes."""

import shutil

import numpy as np
import pytest

from engine.pipeline.source import ByteSource
from shards.dataset import ShardDataset
from shards.errors import DataError


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "copy")


def test_hands_out_the_sources_bytes_in_any_order(celeba, shards):
    dataset = ShardDataset(shards)
    source = ByteSource(dataset, check_crc=True)
    ids = np.random.default_rng(0).permutation(len(dataset))
    source.advise(ids)
    for sample_id, data in zip(ids.tolist(), source.read(ids), strict=True):
        assert data.tobytes() == (celeba / "img_align_celeba" / f"{dataset.key(sample_id)}.jpg").read_bytes()
        assert not data.flags.writeable
    source.close()


def flip_a_bit(dataset: ShardDataset, sample_id: int) -> str:
    row = dataset.index[sample_id]
    path = dataset.shard_path(row["shard"])
    with path.open("r+b") as file:
        file.seek(int(row["offset"]) + int(row["size"]) // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 16]))
    return path.name


def test_a_flipped_bit_is_named_by_shard_and_key(copy):
    dataset = ShardDataset(copy)
    shard = flip_a_bit(dataset, 17)
    with pytest.raises(DataError, match=f"{shard}: image '{dataset.key(17)}' is damaged"):
        ByteSource(dataset, check_crc=True).read(np.arange(30))
    assert len(ByteSource(dataset, check_crc=False).read(np.arange(30))) == 30


def test_a_vanished_shard_is_named(copy):
    dataset = ShardDataset(copy)
    (copy / "train-000000.tar").unlink()
    with pytest.raises(DataError, match=r"train-000000\.tar: cannot be mapped"):
        ByteSource(dataset, check_crc=True).read(np.arange(60))


def test_close_gives_the_files_back(shards):
    import os

    before = len(os.listdir("/proc/self/fd"))
    source = ByteSource(ShardDataset(shards), check_crc=True)
    source.read(np.arange(80))
    assert len(os.listdir("/proc/self/fd")) > before
    source.close()
    assert len(os.listdir("/proc/self/fd")) <= before + 3  # the three arrays of the data set stay mapped while it is open
