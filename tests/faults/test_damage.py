"""Shards that were cut, or of which a bit was flipped. Each is found and named, by key where it can be."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.tar import BLOCK
from tests.damage import SHARD, digests, flip, problems, rebuild, samples
from tests.loading import batches


def cut_at(path: Path) -> dict[str, int]:
    """Where a tar is cut, by name."""
    whole = samples(path)
    return {
        "inside a member": whole[4].image.data_at + 1000,
        "at a block": whole[4].image.data_at + 2 * BLOCK,
        "between two members": whole[4].labels.header_at,
        "between two samples": whole[4].image.header_at,
        "inside the end": path.stat().st_size - BLOCK,
        "empty": 0,
    }


CUTS = {
    "inside a member": r"'\d+\.jpg' claims \d+ bytes where 1000 are left: the tar was cut",
    "at a block": r"'\d+\.jpg' claims \d+ bytes where 1024 are left: the tar was cut",
    "between two members": r"has no label: \d+\.npy is missing",
    "between two samples": r"ends without the empty blocks that end a tar: it was cut",
    "inside the end": r"the tar ends with \d+ empty bytes instead of \d+",
    "empty": r"ends without the empty blocks that end a tar: it was cut",
    "only the end": r"keys\.npy names it for this shard, but the tar has no such sample",
}


@pytest.mark.parametrize("cut", CUTS)
def test_f15_a_cut_tar_is_found_at_the_start_and_by_every_check(copy, capsys, cut):
    path = copy / SHARD
    data, size = path.read_bytes(), path.stat().st_size
    path.write_bytes(data[-2 * BLOCK :] if cut == "only the end" else data[: cut_at(path)[cut]])
    left = path.stat().st_size
    with pytest.raises(DataError, match=rf"{SHARD}: has {left} bytes, the manifest says {size}"):
        ShardDataset(copy)
    for fast in (True, False):
        lines, error = problems(copy, capsys, fast=fast)
        assert f"{SHARD}: has {left:,} bytes, the manifest says {size:,}" in lines
        assert "restore the files named above" in error
    assert any(re.match(rf"{SHARD}: .*{CUTS[cut]}", line) for line in lines)


@pytest.mark.parametrize("cut", [cut for cut in CUTS if cut != "only the end"])
def test_f15_a_cut_tar_is_never_rebuilt_into_a_smaller_data_set(copy, cut):
    path = copy / SHARD
    path.write_bytes(path.read_bytes()[: cut_at(path)[cut]])
    before = digests(copy)
    with pytest.raises(DataError, match=rf"{SHARD}: .*nothing was changed"):
        rebuild(copy)
    assert digests(copy) == before


def places(folder: Path, rng: np.random.Generator) -> list[tuple[str, int]]:
    """File and offset of 200 bytes: 120 anywhere in the tars, and all kinds of bytes by name."""
    tars = sorted(folder.glob("*.tar"))
    ends = np.cumsum([tar.stat().st_size for tar in tars])
    chosen = []
    for at in rng.integers(0, ends[-1], 120).tolist():
        number = int(np.searchsorted(ends, at, side="right"))
        chosen.append((tars[number].name, at - int(ends[number - 1] if number else 0)))
    for _ in range(8):
        tar = tars[rng.integers(len(tars))]
        sample = samples(tar)[rng.integers(4)]
        for part in (sample.image, sample.labels):
            filled = part.data_at + part.size
            for start, stop in ((part.header_at, part.data_at), (part.data_at, filled), (filled, -(-filled // BLOCK) * BLOCK)):
                chosen.append((tar.name, int(rng.integers(start, stop))))
    others = ["index.npy", "labels.npy", "keys.npy", "wids.json", "manifest.json", *(path.name for path in folder.glob("*.idx"))]
    while len(chosen) < 200:
        name = others[len(chosen) % len(others)]
        chosen.append((name, int(rng.integers((folder / name).stat().st_size))))
    return chosen


def owner(tar: Path, at: int) -> str:
    """Key of the sample in whose members or filling a byte lies; empty at the tar's end."""
    data = tar.read_bytes()
    for sample in samples(tar):
        end = sample.labels.data_at + -(-sample.labels.size // BLOCK) * BLOCK
        if sample.image.header_at <= at < min(end, len(data)):
            return sample.key
    return ""


def test_f16_200_of_200_flipped_bits_are_found_and_named(shards, copy, capsys):
    rng = np.random.default_rng(16)
    missed, num_keys = [], 0
    for name, at in places(shards, rng):
        bit = int(rng.integers(8))
        flip(copy / name, at, bit)
        lines, error = problems(copy, capsys)
        key = owner(shards / name, at) if name.endswith(".tar") else ""
        num_keys += bool(key)
        wanted = f"{name}: {key}: " if key else f"{name}: "
        if name == "manifest.json":
            missed += [] if "manifest.json: " in error else [(name, at, bit)]
        else:
            missed += [] if any(line.startswith(wanted) for line in lines) else [(name, at, bit, key, lines)]
        shutil.copy(shards / name, copy / name)
    assert missed == []
    assert num_keys > 100


def test_f16_every_bit_of_a_sample_and_of_the_tars_end(shards, copy, capsys):
    """The second sample of a shard: each 7th bit of both headers, label and fillings, and of the end."""
    tar = shards / SHARD
    sample = samples(tar)[1]
    image_end = sample.image.data_at + sample.image.size
    spans = [(sample.image.header_at, sample.image.data_at), (image_end, sample.labels.data_at + BLOCK)]
    for at in [at for start, stop in spans for at in range(start, stop, 7)]:
        flip(copy / SHARD, at, at % 8)
        lines, _ = problems(copy, capsys)
        assert any(line.startswith(f"{SHARD}: {sample.key}: ") for line in lines), (at, lines)
        flip(copy / SHARD, at, at % 8)
    size = tar.stat().st_size
    for at in range(size - 2 * BLOCK, size, 101):
        flip(copy / SHARD, at, at % 8)
        assert f"{SHARD}: the end of the tar is not empty (at byte {at})" in problems(copy, capsys)[0]
        flip(copy / SHARD, at, at % 8)


def test_f16_training_with_a_flipped_sample_names_shard_and_key(copy):
    sample = samples(copy / SHARD)[5]
    flip(copy / SHARD, sample.image.data_at + sample.image.size // 2, 4)
    with pytest.raises(DataError, match=rf"{SHARD}: image '{sample.key}' is damaged"):
        batches(7, copy)
