"""Copies of data sets that lie at a URL: whole or not there, downloaded once."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.manifest import MANIFEST
from shards.storage import cache as cache_module
from shards.storage.cache import local_copy
from shards.storage.lock import LOCK, lock_folder
from shards.storage.url_folder import UrlFolder

ROOT = Path(__file__).parents[4]
# Says that it is ready, waits for the starting signal, and tells where the copy is.
COPIER = """
import sys
from pathlib import Path
from shards.storage.cache import local_copy
print("ready", flush=True)
sys.stdin.readline()
print(local_copy(sys.argv[1], Path(sys.argv[2])))
"""


def upload(shards: Path, url: str) -> None:
    folder = UrlFolder(url)
    for path in shards.iterdir():
        with folder.create(path.name) as file:
            file.write(path.read_bytes())


@pytest.fixture(params=["file", "memory"])
def url(request, shards, tmp_path):
    """URL of the packed data set."""
    where = f"{request.param}://{tmp_path}/remote/my set"
    upload(shards, where)
    return where


@pytest.fixture
def streamed(monkeypatch):
    """Names of the files that were downloaded."""
    names, original = [], UrlFolder.stream
    monkeypatch.setattr(UrlFolder, "stream", lambda folder, name: (names.append(name), original(folder, name))[1])
    return names


def members(shards: Path) -> dict[str, str]:
    """The files of a data set and their hashes, without what packing reports beside it."""
    names = {path.name for path in shards.iterdir()} - {"summary.json", "quarantine.csv"}
    return {name: hashlib.sha256((shards / name).read_bytes()).hexdigest() for name in sorted(names)}


def damage(url: str, name: str, change) -> None:
    folder = UrlFolder(url)
    (content,) = folder.read_many([name])
    folder.write(name, change(content))


def flip(content: bytes) -> bytes:
    return content[:600] + bytes([content[600] ^ 1]) + content[601:]


def test_the_copy_is_the_data_set_and_is_used_again(url, shards, tmp_path, streamed):
    folder = local_copy(url, tmp_path / "cache")
    checksum = json.loads((shards / MANIFEST).read_text())["checksum"]
    assert folder == tmp_path / "cache" / f"my set-{checksum[:16]}"
    assert members(folder) == members(shards)
    assert len(ShardDataset(folder)) == len(ShardDataset(shards))
    assert sorted(streamed) == sorted(members(shards).keys() - {MANIFEST})
    streamed.clear()
    assert local_copy(f"{url}/", tmp_path / "cache") == folder
    assert streamed == []


def test_another_manifest_gets_a_folder_of_its_own(url, shards, tmp_path):
    first = local_copy(url, tmp_path / "cache")
    fields = json.loads((shards / MANIFEST).read_text())
    fields["seed"] = 77
    del fields["checksum"]
    fields["checksum"] = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    UrlFolder(url).write(MANIFEST, json.dumps(fields).encode())
    second = local_copy(url, tmp_path / "cache")
    assert second != first
    assert (ShardDataset(first).manifest.seed, ShardDataset(second).manifest.seed) == (0, 77)


@pytest.mark.parametrize("name", ["train-000001.tar", "val-000000.idx", "labels.npy", "wids.json"])
@pytest.mark.parametrize("change", [flip, lambda content: content[:-1], lambda content: content + b"x"], ids=["flipped", "short", "long"])
def test_a_file_that_is_damaged_at_the_url_is_named_and_not_kept(url, tmp_path, name, change):
    damage(url, name, (lambda content: b"?" + content[1:]) if change is flip and name.endswith((".idx", ".json")) else change)
    with pytest.raises(DataError, match=rf"{url}/{name}: is not the file that the manifest means \(it has .*; restore it"):
        local_copy(url, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    left = set(os.listdir(folder))
    assert left.isdisjoint({name, MANIFEST, LOCK})
    assert not [file for file in left if file.endswith(".tmp")]


def test_a_file_that_is_missing_at_the_url_is_named(url, tmp_path):
    UrlFolder(url).remove("val-000000.tar")
    with pytest.raises(DataError, match=rf"{url}/val-000000\.tar: cannot be read"):
        local_copy(url, tmp_path / "cache")


def test_what_an_interrupted_download_left_is_kept(url, shards, tmp_path, streamed):
    damage(url, "train-000002.tar", flip)
    with pytest.raises(DataError):
        local_copy(url, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    kept = {path.name: path.stat().st_ino for path in folder.iterdir()}
    damage(url, "train-000002.tar", flip)
    # A process that was killed leaves half a file; and a file with another hash is none of ours.
    (folder / ".labels.npy.123-0123abcd.tmp").write_bytes(b"half")
    (folder / "keys.npy").write_bytes(flip((shards / "keys.npy").read_bytes()))
    streamed.clear()
    assert local_copy(url, tmp_path / "cache") == folder
    assert members(folder) == members(shards)
    assert set(streamed) == set(members(shards)) - {MANIFEST} - (set(kept) - {"keys.npy"})


@pytest.mark.parametrize("name", ["train-000000.tar", "val-000000.idx", "labels.npy"])
@pytest.mark.parametrize("how", ["cut", "removed"])
def test_a_copy_that_lost_something_is_mended(url, shards, tmp_path, streamed, name, how):
    folder = local_copy(url, tmp_path / "cache")
    if how == "removed" or name.endswith(".idx"):
        (folder / name).unlink()
    else:
        os.truncate(folder / name, 100)
    streamed.clear()
    assert local_copy(url, tmp_path / "cache") == folder
    assert streamed == [name]
    assert members(folder) == members(shards)


def test_a_full_disk_is_named_and_can_be_cleared(url, shards, tmp_path, monkeypatch):
    original = UrlFolder.stream

    def full(folder, name):
        yield from original(folder, name)
        if name == "train-000000.tar":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(UrlFolder, "stream", full)
        with pytest.raises(DataError, match=r"train-000000\.tar: cannot be written \(No space left on device\)"):
            local_copy(url, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp") or name == "train-000000.tar"]
    assert members(local_copy(url, tmp_path / "cache")) == members(shards)


def test_no_data_set_and_no_cache_are_named(url, tmp_path):
    with pytest.raises(DataError, match=r"remote: is not a data set \(no manifest\.json\); make one with tools/make_shards"):
        local_copy(url.rpartition("/")[0], tmp_path / "cache")
    damage(url, MANIFEST, lambda content: content.replace(b"seed", b"feed"))
    with pytest.raises(DataError, match=r"my set/manifest\.json: was edited or damaged"):
        local_copy(url, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_is_a_file_is_refused(url, tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(ConfigurationError, match="cannot be used as a folder to write into"):
        local_copy(url, tmp_path / "cache")


@pytest.mark.parametrize("name", ["../x.tar", "/x.tar", ".lock", "manifest.json", "sub/x.tar"])
@pytest.mark.parametrize("part", ["shards", "files"])
def test_a_hostile_manifest_writes_nothing(url, shards, tmp_path, name, part):
    fields = json.loads((shards / MANIFEST).read_text())
    if part == "shards":
        fields["shards"][0]["name"] = name
    else:
        fields["files"][name] = fields["files"].pop("wids.json")
    del fields["checksum"]
    fields["checksum"] = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    UrlFolder(url).write(MANIFEST, json.dumps(fields).encode())
    with pytest.raises(DataError, match=r"manifest\.json: names the (shard|files) "):
        local_copy(url, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_download_that_stands_still_is_not_waited_for(url, tmp_path, monkeypatch):
    folder = local_copy(url, tmp_path / "cache")
    (folder / MANIFEST).unlink()
    monkeypatch.setattr(cache_module, "_PATIENCE_SECONDS", 0.3)
    with lock_folder(folder), pytest.raises(ConfigurationError, match=rf"another download \(process {os.getpid()}\) is at work in it"):
        local_copy(url, tmp_path / "cache")


def test_a_download_that_gets_on_is_waited_for(url, tmp_path, monkeypatch):
    folder = local_copy(url, tmp_path / "cache")
    manifest = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).unlink()
    holder = lock_folder(folder)
    holder.__enter__()
    num_waits, now = [], [1000.0]

    def wait(_seconds):
        """Most of the patience passes; the other one writes something each time, and finishes at the fifth."""
        num_waits.append(1)
        now[0] += 0.4
        (folder / f"{len(num_waits)}.part").touch()
        os.utime(folder / f"{len(num_waits)}.part", ns=(0, 2 * 10**18 + len(num_waits)))
        if len(num_waits) == 5:
            (folder / MANIFEST).write_bytes(manifest)
            holder.__exit__(None, None, None)

    monkeypatch.setattr("shards.storage.lock.time", SimpleNamespace(sleep=wait, monotonic=lambda: now[0]))
    monkeypatch.setattr(cache_module, "_PATIENCE_SECONDS", 0.5)
    assert local_copy(url, tmp_path / "cache") == folder
    assert len(num_waits) == 5


def test_two_processes_download_each_file_once(shards, s3_folder, s3_server, tmp_path):
    upload(shards, s3_folder)
    names = set(members(shards)) - {MANIFEST}
    before = len(s3_server.requests("GET"))
    command = [sys.executable, "-c", COPIER, s3_folder, str(tmp_path / "cache")]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, text=True) for _ in range(2)]
    try:
        for process in both:
            assert process.stdout.readline() == "ready\n"
        for process in both:
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=100) for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert members(Path(outputs[0][0].strip())) == members(shards)
    asked = [request.rpartition("/")[2] for request in s3_server.requests("GET")[before:]]
    assert sorted(name for name in asked if name in names) == sorted(names)
    assert asked.count(MANIFEST) == 2
