"""Faults of packed data sets: cut, flipped, crafted, stale and hostile files. Each is found, named and survived."""

import dataclasses
import io
import json
import re
import shutil
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import PipelineConfig
from engine.pipeline.loader import Loader, Place
from engine.pipeline.order import Order
from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.manifest import dump_manifest, load_manifest
from shards.tar import BLOCK, dali_index, dali_line, member_header
from tests.conftest import pack, write_celeba
from tests.damage import digests, flip, member, members, problems, renamed, repair_manifest, samples, write_tar

SHARD = "train-000001.tar"


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "inside" / "copy")


def rebuild(folder: Path, **options) -> None:
    check_shards(CheckOptions(folder=str(folder), rebuild_index=True, workers=1, **options))


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
    dataset = ShardDataset(copy)
    order = Order(ids=dataset.split_range("train"), batch_size=4, seed=0, shuffle=True)
    place = Place(rank=0, world_size=1, device=torch.device("cpu"))
    with (
        Loader(dataset, order, np.arange(2), PipelineConfig(image_size=32, threads=1), place) as loader,
        pytest.raises(DataError, match=rf"{SHARD}: image '{sample.key}' is damaged"),
    ):
        for _ in range(order.steps_per_epoch):
            next(loader)


def crafted(tar: Path) -> dict[str, tuple[list[bytes], str, int]]:
    """Members of tars with a defect: the text that names it, and the sample whose key stands before it."""
    parts = members(tar)
    keys = [sample.key for sample in samples(tar)]
    return {
        "missing label": (parts[:3] + parts[4:], f"has no label: {keys[1]}.npy is missing", 1),
        "missing image": (parts[:2] + parts[3:], f"has no image: {keys[1]}.jpg is missing", 1),
        "extra label": (parts[:4] + parts[3:], "has an extra member beside its pair (npy at byte", 1),
        "extra image": (parts[:4] + parts[2:3] + parts[4:], "has an extra member beside its pair (jpg at byte", 1),
        "extra file": (
            [*parts[:4], member("notes.txt", b"hello"), *parts[4:]],
            "the extra member 'notes.txt' is neither KEY.jpg nor KEY.npy",
            2,
        ),
        "duplicate, adjacent": (parts[:4] + parts[2:4] + parts[4:], "is there twice, one right behind the other", 1),
        "duplicate, apart": (parts + parts[2:4], "is there twice, apart", 1),
        "label before image": ([*parts[:2], parts[3], parts[2], *parts[4:]], "its members are out of order (npy at byte", 1),
        "images, then labels": (parts[:2] + parts[2:6:2] + parts[3:7:2] + parts[6:], "its members are out of order (jpg at byte", 1),
        "renamed": ([renamed(parts[0], "x.jpg"), renamed(parts[1], "x.npy"), *parts[2:]], "keys.npy does not name it for this shard", -1),
        "samples swapped": (parts[2:4] + parts[:2] + parts[4:], "its samples stand in another order than keys.npy has them", 0),
    }


DEFECTS = [
    "missing label",
    "missing image",
    "extra label",
    "extra image",
    "extra file",
    "duplicate, adjacent",
    "duplicate, apart",
    "label before image",
    "images, then labels",
    "renamed",
    "samples swapped",
]


@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.parametrize("defect", DEFECTS)
def test_f17_members_that_do_not_belong_together_are_named(copy, capsys, defect, repaired):
    path = copy / SHARD
    key = [*(sample.key for sample in samples(path)), "x"]
    parts, text, number = crafted(path)[defect]
    write_tar(path, parts)
    if repaired:
        repair_manifest(copy)
    lines, error = problems(copy, capsys)
    named = [line for line in lines if line.startswith(f"{SHARD}: {key[number]}: ") and text in line]
    assert len(named) == 1, lines
    assert any("SHA-256 is not the manifest's" in line for line in lines) != repaired
    assert "restore the files named above" in error


@pytest.mark.parametrize("defect", DEFECTS[:9])
def test_f17_such_tars_are_not_rebuilt(copy, defect):
    parts, text, _ = crafted(copy / SHARD)[defect]
    write_tar(copy / SHARD, parts)
    before = digests(copy)
    with pytest.raises(DataError, match=rf"{SHARD}: .*{re.escape(text)}.*nothing was changed"):
        rebuild(copy)
    assert digests(copy) == before


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
    (copy / "manifest.json").write_text(dump_manifest(dataclasses.replace(load_manifest(copy), format_version=2)))
    for open_it in (ShardDataset, lambda folder: check_shards(CheckOptions(folder=str(folder)))):
        with pytest.raises(DataError, match=r"has format version 2, this program reads 1; pack the data set again"):
            open_it(copy)


def pax(**headers: str) -> bytes:
    """A PAX header, and the member that it overrides."""
    info = tarfile.TarInfo("a.jpg")
    info.mode, info.pax_headers = 0o444, headers
    return info.tobuf(tarfile.PAX_FORMAT)


HOSTILE = {
    "parent": (member("../canary.jpg", b"x"), "the member '../canary.jpg' has a hostile name, which leads out of the folder"),
    "absolute": (member("/canary.jpg", b"x"), "the member '/canary.jpg' has a hostile name"),
    "symbolic link": (member("canary.jpg", type=tarfile.SYMTYPE, linkname="../../canary"), "the member 'canary.jpg' is a symbolic link"),
    "hard link": (member("canary.jpg", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "the member 'canary.jpg' is a hard link"),
    "character device": (member("canary.jpg", type=tarfile.CHRTYPE, devmajor=1), "the member 'canary.jpg' is a character device"),
    "block device": (member("canary.jpg", type=tarfile.BLKTYPE, devmajor=8), "the member 'canary.jpg' is a block device"),
    "named pipe": (member("canary.jpg", type=tarfile.FIFOTYPE), "the member 'canary.jpg' is a named pipe"),
    "folder": (member("canary", type=tarfile.DIRTYPE), "the member 'canary/' is a folder"),
    "8 GB": (member_header(b"canary.jpg", 8 * 10**9), "'canary.jpg' claims 8000000000 bytes where"),
    "8 GB label": (member_header(b"canary.npy", 8 * 10**9), "'canary.npy' claims 8000000000 bytes where"),
    "PAX path": (pax(path="../canary.jpg"), "is a PAX header, which overrides the member behind it"),
    "PAX size": (pax(size="8000000000"), "is a PAX header, which overrides the member behind it"),
    "PAX linkpath": (pax(linkpath="/etc/passwd"), "is a PAX header, which overrides the member behind it"),
    "pyd": (member("canary.pyd", b"x"), "the extra member 'canary.pyd' is neither KEY.jpg nor KEY.npy"),
    "pipe": (member("pipe:touch canary", b"x"), "the extra member 'pipe:touch canary' is neither"),
    "pickle": (member("canary.pkl", b"cos\nsystem\n(S'touch canary'\ntR."), "the extra member 'canary.pkl' is neither"),
    "escapes": (member("\x1b[31m.jpg", b"x"), r"the extra member '\x1b[31m.jpg' is neither"),
}


@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.parametrize("what", HOSTILE)
def test_f19_hostile_members_are_refused_and_nothing_is_written(copy, capsys, tmp_path, monkeypatch, what, repaired):
    monkeypatch.chdir(tmp_path / "inside")
    hostile, text = HOSTILE[what]
    parts = members(copy / SHARD)
    write_tar(copy / SHARD, [*parts[:6], hostile, *parts[6:]])
    if repaired:
        repair_manifest(copy)
    before = digests(tmp_path)
    tracemalloc.start()
    try:
        lines, _ = problems(copy, capsys)
        with pytest.raises(DataError, match=rf"{SHARD}: .*{re.escape(text)}"):
            rebuild(copy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert any(line.startswith(f"{SHARD}: ") and text in line for line in lines), lines
    assert digests(tmp_path) == before
    assert not Path("/canary.jpg").exists()
    assert peak < 32 * 2**20


def test_f19_a_shard_of_nothing_but_hostile_members_takes_no_memory(copy, capsys):
    write_tar(copy / SHARD, [member("../canary.jpg") + member("canary.jpg", type=tarfile.SYMTYPE)] * 10_000)
    assert (copy / SHARD).stat().st_size > 10**7
    tracemalloc.start()
    try:
        lines, _ = problems(copy, capsys)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(lines) < 30
    assert any(re.fullmatch(rf"{SHARD}: and [\d,]+ more problems", line) for line in lines)
    assert peak < 4 * 2**20


def test_f19_labels_are_parsed_and_never_unpickled(copy, capsys, tmp_path):
    """An .npy of objects holds a pickle; reading it runs code. So does nothing here."""

    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / "canary",)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary()], object), allow_pickle=True)
    data = buffer.getvalue()
    tar = copy / SHARD
    parts, sample = members(tar), samples(tar)[1]
    parts[3] = member(f"{sample.key}.npy", data)
    write_tar(tar, parts)
    (copy / SHARD).with_suffix(".idx").write_bytes(
        dali_index([dali_line(s.key, s.image.data_at, s.image.size, s.labels.data_at, s.labels.size) for s in samples(tar)])
    )
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    assert any(line.startswith(f"{SHARD}: {sample.key}: its label is not the .npy file of a vector of 40 int8") for line in lines)
    with pytest.raises(DataError, match=r"its label is not the \.npy file"):
        rebuild(copy)
    assert not (tmp_path / "canary").exists()


def test_f33_attribute_names_with_escapes_are_made_visible(copy, capsys):
    manifest = load_manifest(copy)
    names = ("\x1b[31mred", *manifest.attributes[1:])
    tar = copy / SHARD
    sample = samples(tar)[0]
    flip(tar, sample.labels.data_at + 128, 0)
    (copy / "manifest.json").write_text(dump_manifest(dataclasses.replace(manifest, attributes=names)))
    lines, _ = problems(copy, capsys)
    assert not any("\x1b" in line for line in lines)
    assert any(sample.key in line and "red" in line for line in lines)
