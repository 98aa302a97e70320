"""Writing files atomically."""

import os
import resource

import pytest

from shards.errors import DataError
from shards.files import atomic_write


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="half-way"), atomic_write(path) as file:
        file.write(b"new")
        raise RuntimeError("half-way")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def small_disk():
    """Files of this process may not grow beyond 64 KiB: the kernel refuses as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match=r"file: cannot be written \(File too large\)"), atomic_write(tmp_path / "file") as file:
        file.write(bytes(100_000))
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere/file: cannot be written \(No such file"), atomic_write(tmp_path / "nowhere" / "file"):
        pass
