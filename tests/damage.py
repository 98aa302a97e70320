"""Ways to damage a packed data set, and to make a manifest that fits the damage."""

import dataclasses
import hashlib
import os
import signal
import tarfile
from pathlib import Path

import numpy as np
import pytest

from shards.check.command import CheckOptions, check_shards
from shards.check.tar_samples import Sample, pair
from shards.check.tar_walk import walk
from shards.errors import DataError
from shards.files import probe, sha256_of
from shards.manifest import dump_manifest, load_manifest
from shards.storage.local_folder import LocalFolder
from shards.tar import BLOCK, RECORD, member_header, padded

SHARD = "train-000001.tar"


def problems(folder: Path, capsys: pytest.CaptureFixture, **options) -> tuple[list[str], str]:
    """Check a damaged data set; return the printed lines and the error's message."""
    capsys.readouterr()
    with pytest.raises(DataError) as caught:
        check_shards(CheckOptions(folder=str(folder), **({"workers": 1} | options)))
    return capsys.readouterr().out.splitlines(), str(caught.value)


def flip(path: Path, at: int, bit: int) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def samples(path: Path) -> list[Sample]:
    """Return the samples of a sound tar."""
    return list(pair(walk(path.read_bytes())))


def members(path: Path) -> list[bytes]:
    """Return a sound tar's members, image and label of each sample in turn: header, data and filling."""
    data = path.read_bytes()
    both = [member for sample in samples(path) for member in (sample.image, sample.labels)]
    return [data[member.header_at : member.data_at + padded(member.size)] for member in both]


def renamed(member: bytes, name: str) -> bytes:
    """Return a member with another name and a header that fits it."""
    size = int(member[124:135], 8)
    return member_header(name.encode(), size) + member[BLOCK:]


def member(name: str, data: bytes = b"", **fields) -> bytes:
    """Return a member as anybody's tar would write it: a valid checksum, and whatever the fields say."""
    info = tarfile.TarInfo(name)
    info.mode, info.size = 0o444, len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % BLOCK)


def write_tar(path: Path, parts: list[bytes]) -> None:
    """Write members and the end."""
    data = b"".join(parts)
    path.write_bytes(data + bytes(2 * BLOCK + -(len(data) + 2 * BLOCK) % RECORD))


def repair_manifest(folder: Path, **fields) -> None:
    """Make sizes, hashes and checksum of the manifest fit whatever is there, as somebody does who wants the damage to pass."""
    manifest = load_manifest(folder)
    shards = tuple(
        dataclasses.replace(
            shard,
            bytes=(folder / shard.name).stat().st_size,
            sha256=sha256_of(folder / shard.name),
            index_sha256=sha256_of((folder / shard.name).with_suffix(".idx")),
        )
        for shard in manifest.shards
    )
    files = {}
    for name, entry in manifest.files.items():
        path = folder / name
        files[name] = dataclasses.replace(entry, bytes=path.stat().st_size, sha256=sha256_of(path), probe_sha256=probe(path))
    (folder / "manifest.json").write_text(dump_manifest(dataclasses.replace(manifest, **({"shards": shards, "files": files} | fields))))


def digests(folder: Path) -> dict[str, str]:
    """Hashes of all files below a folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def change_array(path: Path, change) -> None:
    """Load an array, change it in place and write it as the packer does."""
    array = np.load(path)
    change(array)
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=(1, 0))


def work(job: str, advance) -> str:
    """Work for a pool: do as the job says."""
    if job == "fail":
        raise DataError("it failed")
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    advance(1, 10, 0)
    return job.upper()


def rebuild(folder: Path, **options) -> None:
    check_shards(CheckOptions(folder=str(folder), rebuild_index=True, workers=1, **options))


def folder_of(path: Path, *names: str) -> LocalFolder:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return LocalFolder(str(path))
