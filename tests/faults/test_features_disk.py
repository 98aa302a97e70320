"""F-10, F-11: the cache of features on disks that are full, read-only, or no folder."""

import json
import re
import shutil

import pytest

from engine.loop.features import fill
from shards.errors import DataError
from tests.faults.feature_runs import OPTIONS, bytes_of, program, written
from tests.integration.conftest import flags, records, results, train


def test_a_file_where_the_folder_belongs_is_refused_before_the_first_step(runs):
    runs.features.write_text("thesis")
    ((code, err),), run_dir, _ = runs.finish()
    assert code == 2
    assert re.fullmatch(rf"error: features.dir: {runs.features}/\w+ cannot be made \(Not a directory\); name another folder\n", err)
    assert runs.features.read_text() == "thesis"
    assert not run_dir.exists()


# Training in a process with mounts of its own: each word of `STEPS` is a mount option of the disk, then it trains and tells how that ended.
ON_A_DISK = """
import ctypes, json, os, sys
from pathlib import Path
libc, disk = ctypes.CDLL(None, use_errno=True), os.environ["DISK"].encode()
NEWNS, NEWUSER, PRIVATE, READ_ONLY, REMOUNT = 0x20000, 0x10000000, 0x44000, 1, 32
uid, gid = os.getuid(), os.getgid()

def call(function, *args):
    if function(*args):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

try:
    call(libc.unshare, NEWNS)
except PermissionError:
    call(libc.unshare, NEWNS | NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
call(libc.mount, b"none", b"/", None, PRIVATE, None)
call(libc.mount, b"none", disk, b"tmpfs", 0, b"size=16m")
for step, words in enumerate(json.loads(os.environ["STEPS"])):
    for option in words:
        read_only = READ_ONLY if option == "ro" else 0
        call(libc.mount, b"none", disk, None, REMOUNT | read_only, None if read_only else option.encode())
    pid = os.fork()
    if not pid:
        sys.argv = [word.replace("RUN", f"run{step}") for word in sys.argv]
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{os.environ['NOTES']}/{name}{step}", os.O_WRONLY | os.O_CREAT), descriptor)
        code = 1
        try:
            exec(os.environ["TRAINING"], {"__name__": "__main__"})
        except SystemExit as end:
            code = end.code
        os._exit(code)
    found = sorted(str(path.relative_to(disk.decode())) for path in Path(disk.decode()).rglob("*"))
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), found]), flush=True)
import shutil
shutil.copytree(disk.decode(), os.environ["NOTES"] + "/saved")
"""


@pytest.fixture
def on_a_disk(small_images, nursery, tmp_path):
    """Return a function that trains several times on a disk of its own, and tells exit codes and complaints."""

    def go(*steps: list[str], addition: str = "") -> list[tuple[int, str]]:
        disk, notes = tmp_path / "disk", tmp_path / "notes"
        disk.mkdir()
        notes.mkdir()
        words = flags(small_images, tmp_path / "RUN", **(OPTIONS | {"train__epochs": 1, "features__dir": disk / "features"}))
        variables = {"DISK": str(disk), "NOTES": str(notes), "STEPS": json.dumps(steps), "TRAINING": program(addition)}
        code, out, err = nursery.start(words, ON_A_DISK, **variables).finish()
        if code and "Operation not permitted" in err:
            pytest.skip("this kernel allows no mounts")
        assert code == 0, err
        codes = [json.loads(line)[0] for line in out.splitlines()]
        return [(code, (notes / f"err{step}").read_text()) for step, code in enumerate(codes)]

    return go


def test_f10_a_disk_that_fills_up_in_the_pass_is_named_and_the_same_command_goes_on(on_a_disk, computed, tmp_path):
    """A few pages are left when the work begins, as somebody else fills the disk: two of the four blocks fit."""
    fill_up = """
import shutil
def greedy(path, offset, data):
    place = Path(os.environ["DISK"])
    (place / "other").write_bytes(bytes(shutil.disk_usage(place).free - 70000))
if not (Path(os.environ["DISK"]) / "other").exists():
    at(3, greedy)
"""
    (full, still, fine) = on_a_disk([], [], ["size=32m"], addition=fill_up)
    features = tmp_path / "disk" / "features"
    assert full[0] == 3
    message = r"features cannot be written \(No space left on device\); what is finished stays, and the same command goes on"
    assert re.fullmatch(rf"error: {features}/\w+: {message}\n", full[1])
    assert still[0] == 3
    assert re.fullmatch(rf"error: features.dir {features}: features need \S+ GB, and the disk has \S+ GB; free some, .*\n", still[1])
    assert fine == (0, "")
    assert bytes_of(tmp_path / "notes" / "saved" / "features") == bytes_of(computed)
    # The second start found no room, the third what the first had finished.
    assert written(tmp_path / "notes")[:3] == [0, 1, 2]
    assert 0 not in written(tmp_path / "notes")[3:]


def test_f11_features_on_a_disk_that_cannot_be_written_serve_who_only_reads(on_a_disk, tmp_path):
    empty, filled, readable = on_a_disk(["ro"], ["size=16m"], ["ro"])
    features = tmp_path / "disk" / "features"
    assert empty[0] == 2
    assert re.fullmatch(rf"error: features.dir: {features}/\w+ cannot be made \(Read-only file system\); name another folder\n", empty[1])
    assert (filled, readable) == ((0, ""), (0, ""))
    assert results(records(tmp_path / "run2")) == results(records(tmp_path / "run1"))


def test_f11_an_unfinished_folder_that_cannot_be_written_is_refused(on_a_disk, tmp_path):
    stopped, refused = on_a_disk([], ["ro"], addition="at(3, lambda *_: os.kill(os.getpid(), signal.SIGTERM))")
    assert stopped[0] == 75
    assert refused[0] == 2
    folder = rf"{tmp_path / 'disk' / 'features'}/\w+"
    assert re.fullmatch(rf"error: {folder}: cannot be used as a folder to write into \(Read-only file system\)\n", refused[1])


def test_a_disk_that_is_too_small_is_refused_before_the_pass(small_images, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fill.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DataError, match=r"features need 0.00023 GB, and the disk has 1e-06 GB"):
        train(small_images, tmp_path / "run", features__dir=tmp_path / "features", **OPTIONS)
