"""The lock on a folder of this machine, against real processes."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shards.errors import ConfigurationError
from shards.storage.lock import LOCK, lock_folder, try_lock
from shards.storage.opening import lock

# Takes the lock, says so, and keeps it until its standard input ends.
HOLDER = """
import sys
from pathlib import Path
from shards.storage.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
ROOT = Path(__file__).parents[4]


@pytest.fixture
def holder(tmp_path):
    """Another process that has the lock of `tmp_path / "set"`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "set")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_the_second_is_refused_and_told_who_is_at_work(holder, tmp_path):
    with pytest.raises(ConfigurationError, match=rf"set: another packing \(process {holder.pid}\) is at work in it; wait for its end"):
        lock_folder(tmp_path / "set").__enter__()
    assert (tmp_path / "set" / LOCK).exists()


def test_it_is_free_when_the_owner_ends_or_is_killed(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "set" / LOCK).exists()
    for _ in range(2):
        with lock(str(tmp_path / "set")):
            assert (tmp_path / "set" / LOCK).read_text() == str(os.getpid())
        assert os.listdir(tmp_path / "set") == []


def test_a_patient_process_gets_it_after_the_owner(holder, tmp_path, monkeypatch):
    # The owner ends at the first moment that is waited.
    monkeypatch.setattr("shards.storage.lock.time.sleep", lambda _: holder.communicate())
    with lock_folder(tmp_path / "set", wait_seconds=60):
        assert holder.returncode == 0


def test_patience_ends(holder, tmp_path):
    with pytest.raises(ConfigurationError, match=rf"process {holder.pid}"):
        lock_folder(tmp_path / "set", wait_seconds=0.3).__enter__()


def test_a_file_that_another_machine_has_removed_meanwhile_is_opened_again(tmp_path, monkeypatch):
    flock, stale, seen = fcntl.flock, [OSError(errno.ESTALE, "Stale file handle")], []

    def as_nfs_does(descriptor, how):
        seen.append(descriptor)
        if stale:
            raise stale.pop()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", as_nfs_does)
    with try_lock(tmp_path / LOCK) as taken:
        assert taken
    stale.append(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(ConfigurationError, match=r"cannot be written \(Input/output error\)"):
        try_lock(tmp_path / LOCK).__enter__()
    assert len(seen) == 3
    for descriptor in seen:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_trying_takes_it_only_if_nobody_has_it(holder, tmp_path):
    path = tmp_path / "set" / LOCK
    with try_lock(path) as taken:
        assert not taken
    assert path.exists()
    holder.communicate()
    with try_lock(path) as taken, try_lock(path) as taken_twice:
        assert (taken, taken_twice) == (True, False)
    assert not path.exists()
    with pytest.raises(ConfigurationError, match=r"set/.lock/x: cannot be written \(File exists\)"):
        path.touch()
        try_lock(path / "x").__enter__()


def test_another_ones_lock_is_not_removed(tmp_path):
    with lock_folder(tmp_path):
        (tmp_path / LOCK).unlink()
        with lock_folder(tmp_path):
            (tmp_path / LOCK).rename(tmp_path / "kept")
            (tmp_path / LOCK).write_text("another's")
        assert (tmp_path / LOCK).read_text() == "another's"
    assert (tmp_path / LOCK).read_text() == "another's"


def test_the_lock_goes_with_an_error_and_with_its_folder(tmp_path):
    with pytest.raises(RuntimeError), lock_folder(tmp_path / "set"):
        raise RuntimeError
    assert os.listdir(tmp_path / "set") == []
    with lock_folder(tmp_path / "set"):
        (tmp_path / "set" / LOCK).unlink()
        (tmp_path / "set").rmdir()


def test_a_file_url_is_locked_as_the_folder_it_is(holder, tmp_path):
    with pytest.raises(ConfigurationError, match=rf"process {holder.pid}"):
        lock(f"file://{tmp_path}/set").__enter__()


@pytest.fixture
def no_root():
    """Root may write anywhere: give it up for the length of a test."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)


@pytest.mark.usefixtures("no_root")
def test_a_folder_that_cannot_be_written_is_refused():
    with pytest.raises(ConfigurationError, match=r"^/usr: cannot be used as a folder to write into \(Permission denied\)"):
        lock_folder(Path("/usr")).__enter__()


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(ConfigurationError, match="cannot be used as a folder to write into"):
            lock_folder(path).__enter__()
