"""What the faults of packed data sets share."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision

from shards.dataset import ShardDataset
from tests.damage import flip
from tests.faults.canary import canary, evil  # noqa: F401 (fixtures)
from tests.faults.feature_runs import computed, runs, small_images, whole  # noqa: F401 (fixtures)
from tests.faults.interruptions import calm  # noqa: F401 (a fixture)
from tests.launch import Nursery, light_vgg11

_MARK = "DROPSTREAM_TEST"


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "inside" / "copy")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    """Starts training in processes that need not import anything."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


@pytest.fixture
def training(monkeypatch):
    """Training in this process, quickly."""
    monkeypatch.setattr(torchvision.models, "vgg11", light_vgg11)


def damage(folder: Path, sample_id: int) -> tuple[str, str]:
    """Flip a bit in the middle of a sample's image (again: mend it); return the names of its shard and its key."""
    dataset = ShardDataset(folder)
    row = dataset.index[sample_id]
    path = dataset.shard_path(row["shard"])
    flip(path, int(row["offset"]) + int(row["size"]) // 2, 4)
    return path.name, dataset.key(sample_id)


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether a condition becomes true within some time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def mark(name: str) -> dict[str, str]:
    """An environment variable by which a process and all that come from it are known."""
    return {_MARK: name}


def marked(name: str) -> dict[int, dict[str, str]]:
    """The living processes with a mark: process -> its environment."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            pairs = (entry.partition("=") for entry in (path / "environ").read_text().split("\0"))
            environment = {key: value for key, _, value in pairs}
        except OSError:
            continue
        if environment.get(_MARK) == name:
            found[int(path.name)] = environment
    return found


def end_all(name: str) -> None:
    """Kill what is left with a mark, but for what tidies up behind the others."""
    for pid in marked(name):
        with contextlib.suppress(OSError):
            if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def shared_memory() -> set[str]:
    """What lies in shared memory that no living process uses: leaks, unless it was there before."""
    files = {entry.name: entry.inode() for entry in os.scandir("/dev/shm")}  # noqa: S108 (where leaks show)
    used = set()
    for path in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            # By number, for a semaphore was made under another name than it has.
            used |= {int(line.split()[4]) for line in path.read_text().splitlines() if "/dev/shm/" in line}  # noqa: S108
    return {name for name, inode in files.items() if inode not in used}
