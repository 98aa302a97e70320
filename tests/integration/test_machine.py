"""Machines with little: shared memory, files, and disks that do not answer."""

import os
import signal
import subprocess
import threading
from itertools import count

import pytest
import torch
from safetensors.torch import load_file

from engine.loop import stop
from engine.pipeline import read_ahead
from engine.pipeline.source import ByteSource
from shards.errors import Interrupted
from tests.integration.conftest import flags, records, results, train
from tests.launch import PLAIN, ROOT, finish, start

# Named here, because `sh -c` in front of it looks like a program of its own.
TRAIN = [*PLAIN, str(ROOT / "engine" / "train.py")]


@pytest.fixture(scope="module")
def reference(shards, tmp_path_factory):
    """An undisturbed run."""
    run_dir = tmp_path_factory.mktemp("runs") / "reference"
    train(shards, run_dir)
    return run_dir


@pytest.mark.parametrize("reads", [3, 9, 17], ids=["in-the-first-epoch", "in-an-evaluation", "in-the-second-epoch"])
def test_a_signal_ends_the_wait_for_a_disk_that_does_not_answer(shards, tmp_path, monkeypatch, reference, reads):
    monkeypatch.setattr(stop, "_PATIENCE_ALONE", 0.5)
    monkeypatch.setattr(read_ahead, "_PATIENCE_SECONDS", 0.2)
    answers, numbers, read = threading.Event(), count(), ByteSource.read

    def stuck(self, *arguments):
        number = next(numbers)
        if number == reads:
            threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        if number >= reads:
            answers.wait(60)
        return read(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ByteSource, "read", stuck)
        with pytest.raises(Interrupted, match=r"stopped by a signal after .* go on with"):
            train(shards, tmp_path / "run")
    answers.set()
    assert not threading.Event().wait(1.5), "later signals come while nothing is trained"
    train(shards, tmp_path / "run", run__if_exists="resume")
    assert results(records(tmp_path / "run")) == results(records(reference))
    weights, expected = (load_file(folder / "model.safetensors") for folder in (tmp_path / "run", reference))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_too_little_shared_memory_is_told_within_seconds(shards, tmp_path):
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"', "sh"]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    code, _, err = finish(start([*mounted, *TRAIN], flags(shards, tmp_path / "run", pipeline__backend="torch")), timeout=60)
    assert code == 3
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "a loading process ran out of shared memory (/dev/shm: 0 MiB" in line
    assert "docker run --shm-size" in line


@pytest.mark.parametrize("backend", ["dali", "torch"])
def test_few_files_may_be_open(shards, tmp_path, backend):
    limited = ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", *TRAIN]
    options = {"pipeline__backend": backend, "pipeline__prefetch": 16, "pipeline__threads": 2, "train__epochs": 1}
    code, _, err = finish(start(limited, flags(shards, tmp_path / "run", **options)))
    assert code == 0, err
