"""Features on the disk: whole blocks, or none."""

import os
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.features import store as module
from engine.loop.features.store import BLOCK, BadSample, FeatureStore
from shards.errors import ConfigurationError, DataError

KEY = {"tap": "fc7", "weights": "0123"}
SAMPLES = 2 * BLOCK + 10
WIDTH = 3
ALL = np.arange(3)


def store(folder, *, key=KEY, dtype=torch.float32, num_samples=SAMPLES) -> FeatureStore:
    return FeatureStore(folder, key, num_samples=num_samples, width=WIDTH, dtype=dtype)


def rows(opened: FeatureStore, block: int) -> torch.Tensor:
    ids = torch.tensor(opened.ids_of(block))
    return (ids[:, None] * 10.0 + torch.arange(WIDTH)).to(opened.dtype)


def filled(folder, **options) -> FeatureStore:
    opened = store(folder, **options)
    for block in (2, 0, 1):
        opened.write(block, rows(opened, block), {})
    return opened


def change(path, at: int, bit: int = 3) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_written_is_read_wherever_it_lies(tmp_path, dtype):
    filled(tmp_path / "f", dtype=dtype)
    opened = store(tmp_path / "f", dtype=dtype)
    assert opened.missing(ALL).tolist() == []
    opened.check(ALL)
    values = opened.values()
    assert (values.shape, values.dtype) == ((SAMPLES, WIDTH), dtype)
    assert torch.equal(values, torch.cat([rows(opened, block) for block in range(3)]))
    assert opened.bad(ALL) == {}


def test_the_last_block_is_short_and_a_block_is_missing_until_it_is_written(tmp_path):
    opened = store(tmp_path)
    assert [opened.ids_of(block) for block in range(3)] == [range(256), range(256, 512), range(512, 522)]
    assert opened.missing(ALL).tolist() == [0, 1, 2]
    opened.write(2, rows(opened, 2), {})
    assert opened.missing(ALL).tolist() == [0, 1]
    assert opened.missing(np.array([2])).tolist() == []
    assert [opened.num_bytes(np.array(blocks, np.int64)) for blocks in ([0], [0, 2], [])] == [256 * 12, 266 * 12, 0]
    opened.forget([2])
    assert store(tmp_path).missing(ALL).tolist() == [0, 1, 2]


@given(st.sets(st.integers(0, SAMPLES - 1)), st.integers(0, SAMPLES), st.integers(0, SAMPLES))
def test_blocks_of_samples(tmp_path_factory, ids, start, stop):
    found = store(tmp_path_factory.getbasetemp() / "blocks").blocks_of([np.array(sorted(ids), np.int64), range(start, stop)])
    assert found.tolist() == sorted({sample // BLOCK for sample in [*ids, *range(start, stop)]})


def test_the_disk_holds_only_what_was_computed(tmp_path):
    opened = FeatureStore(tmp_path, KEY, num_samples=10**6, width=1000, dtype=torch.float32)
    opened.write(3000, torch.ones(BLOCK, 1000), {})
    found = (tmp_path / "features.bin").stat()
    assert found.st_size == 4 * 10**9
    assert found.st_blocks * 512 < 2 * 2**20


def test_a_table_larger_than_the_memory_can_be_opened(tmp_path):
    samples = 2 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4000
    opened = FeatureStore(tmp_path, KEY, num_samples=samples, width=1000, dtype=torch.float32)
    last = opened.num_blocks - 1
    opened.write(last, torch.full((len(opened.ids_of(last)), 1000), 2.0), {})
    assert opened.values()[-1].tolist() == [2.0] * 1000
    assert opened.values()[0].tolist() == [0.0] * 1000


@pytest.mark.parametrize("at", [0, 5, BLOCK * WIDTH * 4 - 1, BLOCK * WIDTH * 4, SAMPLES * WIDTH * 4 - 1])
@pytest.mark.parametrize("bit", [0, 7])
def test_one_flipped_bit_is_found(tmp_path, at, bit):
    filled(tmp_path)
    change(tmp_path / "features.bin", at, bit)
    block = at // (BLOCK * WIDTH * 4)
    message = rf"features.bin: is damaged \(block {block} and its checksum in blocks.bin differ\); delete {tmp_path}, and the features are"
    with pytest.raises(DataError, match=message):
        store(tmp_path).check(ALL)
    # Others are none the worse.
    store(tmp_path).check(np.delete(ALL, block))


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_in_a_blocks_entry_is_found(tmp_path, at, bit):
    filled(tmp_path)
    change(tmp_path / "blocks.bin", 12 + at, bit)
    with pytest.raises(DataError, match=r"block 1 and its checksum|bad-00000001.json: is damaged"):
        (store(tmp_path).check(ALL), store(tmp_path).bad(ALL))


def test_a_block_that_only_its_entry_claims_to_be_there_is_damaged(tmp_path):
    opened = store(tmp_path)
    for name in ("one", "other"):
        filled(tmp_path / name)
    (tmp_path / "blocks.bin").write_bytes((tmp_path / "one" / "blocks.bin").read_bytes())
    with pytest.raises(DataError, match="block 0 and its checksum"):
        opened.check(ALL)


@pytest.mark.parametrize("name", ["features.bin", "blocks.bin"])
@pytest.mark.parametrize("size", [1, 7, None])
def test_a_file_that_is_cut_or_grown_is_refused(tmp_path, name, size):
    filled(tmp_path)
    path = tmp_path / name
    whole = path.stat().st_size
    os.truncate(path, size or whole + 1)
    with pytest.raises(DataError, match=rf"{name}: is damaged \(it has {size or whole + 1} bytes instead of {whole}\); delete {tmp_path},"):
        store(tmp_path)


def test_an_emptied_table_is_never_taken_for_features(tmp_path):
    filled(tmp_path)
    os.truncate(tmp_path / "features.bin", 0)
    with pytest.raises(DataError, match="block 0 and its checksum"):
        store(tmp_path).check(ALL)


def test_another_key_or_a_damaged_one_is_refused(tmp_path):
    filled(tmp_path)
    with pytest.raises(DataError, match=rf"key.json: is damaged \(it tells of other features than its folder's name\); delete {tmp_path},"):
        store(tmp_path, key=KEY | {"tap": "fc6"})
    for text in ("", "{", "\xff"):
        (tmp_path / "key.json").write_text(text, encoding="latin-1")
        with pytest.raises(DataError, match=rf"key.json: is damaged \(it is not JSON: .*\); delete {tmp_path},"):
            store(tmp_path)


BAD = {3: BadSample("is damaged", "10 bytes of 5"), 7: BadSample('cannot "be" décoded', "gone")}


def test_damaged_samples_are_remembered_until_their_block_is_computed_again(tmp_path):
    opened = filled(tmp_path)
    opened.forget([0])
    opened.write(0, rows(opened, 0), BAD)
    assert store(tmp_path).bad(ALL) == BAD
    assert store(tmp_path).bad(np.array([1, 2])) == {}
    store(tmp_path).check(ALL)
    opened.forget([0])
    # A missing block tells nothing.
    assert opened.bad(ALL) == {}
    opened.write(0, rows(opened, 0), {7: BAD[7]})
    assert store(tmp_path).bad(ALL) == {7: BAD[7]}
    opened.forget([0])
    opened.write(0, rows(opened, 0), {})
    assert store(tmp_path).bad(ALL) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blocks.bin", "features.bin", "key.json"]


@pytest.mark.parametrize("damage", [lambda path: change(path, 8), lambda path: os.truncate(path, 4), lambda path: path.unlink()])
def test_a_damaged_list_of_damaged_samples_is_refused(tmp_path, damage):
    opened = filled(tmp_path)
    opened.forget([0])
    opened.write(0, rows(opened, 0), BAD)
    damage(tmp_path / "bad-00000000.json")
    with pytest.raises(DataError, match=rf"bad-00000000.json: is damaged .*; delete {tmp_path}, and the features are computed again"):
        opened.bad(ALL)


@pytest.mark.parametrize("place", [0, 1], ids=["rows", "entry"])
def test_whatever_ends_a_write_the_block_is_missing(tmp_path, monkeypatch, place):
    opened, names, write_at = store(tmp_path), [], module._write_at

    def cut(path, offset, data):
        names.append(path.name)
        if len(names) > place:
            write_at(path, offset, bytes(data)[: len(bytes(data)) // 2])
            raise KeyboardInterrupt
        write_at(path, offset, data)

    monkeypatch.setattr(module, "_write_at", cut)
    with pytest.raises(KeyboardInterrupt):
        opened.write(1, rows(opened, 1), BAD)
    assert names == ["features.bin", "blocks.bin"][: place + 1]
    assert store(tmp_path).missing(ALL).tolist() == [0, 1, 2]
    assert store(tmp_path).bad(ALL) == {}


def test_two_who_write_different_blocks_do_not_disturb_each_other(tmp_path):
    one, other = store(tmp_path), store(tmp_path)
    other.write(1, rows(other, 1), {})
    one.write(0, rows(one, 0), {})
    other.write(2, rows(other, 2), {})
    one.check(ALL)
    assert (tmp_path / "features.bin").read_bytes() == b"".join(rows(one, block).numpy().tobytes() for block in range(3))


def test_the_checksum_is_the_rows_own(tmp_path):
    opened = filled(tmp_path)
    entries = np.fromfile(tmp_path / "blocks.bin", "<u4").reshape(3, 3)
    assert entries[:, 0].tolist() == [zlib.crc32(rows(opened, block).numpy().tobytes()) for block in range(3)]


def test_a_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "file").write_text("thesis")
    for folder in (tmp_path / "file", tmp_path / "file" / "0123"):
        with pytest.raises(ConfigurationError, match=rf"features.dir: {folder} cannot be made \(.*\); name another folder"):
            store(folder)
    assert (tmp_path / "file").read_text() == "thesis"


def test_a_disk_that_refuses_is_named_and_the_block_stays_missing(tmp_path, monkeypatch):
    opened = filled(tmp_path)
    opened.forget([1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    message = rf"{tmp_path}: features cannot be written \(No space left on device\); what is finished stays, and the same command goes on"
    with pytest.raises(DataError, match=message):
        opened.write(1, rows(opened, 1), {})
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        opened.forget([0])
    assert opened.missing(ALL).tolist() == [1]


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{}x",
        b'{"1x": ["a", "b"]}',
        b'{"1": true}',
        b'{"1": ["a"]}',
        b'{"1": ["a", 2]}',
        b'{"999999": ["a", "b"]}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_a_list_of_bad_samples_that_is_none_is_refused_although_its_checksum_is_right(tmp_path, text):
    opened = filled(tmp_path)
    (tmp_path / "bad-00000000.json").write_bytes(text)
    values = rows(opened, 0).contiguous().view(torch.uint8).numpy().tobytes()
    opened._write_entry(0, module._entry(zlib.crc32(values), zlib.crc32(text)))
    with pytest.raises(DataError, match=r"bad-00000000\.json: is damaged \(.*\); delete .*, and the features are computed again"):
        opened.bad(np.array([0]))
