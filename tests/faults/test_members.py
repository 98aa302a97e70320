"""Shards whose members do not belong there, by accident or by malice."""

import io
import re
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from shards.errors import DataError
from shards.tar import dali_index, dali_line, member_header
from tests.damage import SHARD, digests, member, members, problems, rebuild, renamed, repair_manifest, samples, write_tar


def crafted(tar: Path) -> dict[str, tuple[list[bytes], str, int]]:
    """Members of tars with a defect: the text that names it, and the sample whose key stands before it."""
    parts = members(tar)
    keys = [sample.key for sample in samples(tar)]
    return {
        "missing label": (parts[:3] + parts[4:], f"has no label: {keys[1]}.npy is missing", 1),
        "missing image": (parts[:2] + parts[3:], f"has no image: {keys[1]}.jpg or {keys[1]}.png is missing", 1),
        "extra label": (parts[:4] + parts[3:], "has an extra member beside its pair (npy at byte", 1),
        "extra image": (parts[:4] + parts[2:3] + parts[4:], "has an extra member beside its pair (jpg at byte", 1),
        "extra file": (
            [*parts[:4], member("notes.txt", b"hello"), *parts[4:]],
            "the extra member 'notes.txt' is neither KEY.jpg, KEY.png nor KEY.npy",
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
    "pyd": (member("canary.pyd", b"x"), "the extra member 'canary.pyd' is neither KEY.jpg, KEY.png nor KEY.npy"),
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
        dali_index([dali_line(s.key, "jpg", s.image.data_at, s.image.size, s.labels.data_at, s.labels.size) for s in samples(tar)])
    )
    repair_manifest(copy)
    lines, _ = problems(copy, capsys)
    assert any(line.startswith(f"{SHARD}: {sample.key}: its label is not the .npy file of a vector of 40 int8") for line in lines)
    with pytest.raises(DataError, match=r"its label is not the \.npy file"):
        rebuild(copy)
    assert not (tmp_path / "canary").exists()
