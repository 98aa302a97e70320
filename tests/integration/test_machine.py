"""Machines with little: shared memory, files, and disks that do not answer."""

import errno
import os
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from safetensors.torch import load_file

from engine.loop import stop
from engine.pipeline import read_ahead
from engine.pipeline.source import ByteSource
from engine.report.outputs import write_text
from shards.dataset import ShardDataset
from shards.errors import DataError, Interrupted
from tests.integration.conftest import flags, records, results, train
from tests.launch import PLAIN, ROOT, environment, finish, start

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


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}])
def test_names_in_any_script_are_packed_in_any_locale(tmp_path, locale):
    (tmp_path / "faces").mkdir()
    for name in ("é.jpg", "微笑.jpg"):
        # By its bytes, so that this test's own locale does not matter.
        with open(os.fsencode(tmp_path / "faces") + b"/" + name.encode(), "wb") as file:  # noqa: PTH123
            file.write(simplejpeg.encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "labels.csv").write_text("image,微笑\né.jpg,0\n微笑.jpg,1\n", encoding="utf-8")
    command = [ROOT / "tools" / "make_shards", "--images", "faces", "--attributes", "labels.csv", "--out", "shards", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment() | locale | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    dataset = ShardDataset(tmp_path / "shards")
    assert dataset.manifest.attributes == ("微笑",)
    assert sorted(dataset.labels[:, 0].tolist()) == [0, 1]


def test_a_home_that_cannot_be_written_is_no_reason_to_say_a_word(shards, tmp_path):
    # Under a file nothing can be made, not even by root.
    (tmp_path / "file").touch()
    options = {"train__epochs": 1, "report__page": True}
    code, _, err = finish(start(PLAIN, flags(shards, tmp_path / "run", **options), HOME=str(tmp_path / "file" / "home")))
    assert (code, err) == (0, "")


def test_a_report_into_a_folder_that_cannot_be_written(reference, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(DataError, match=r"summary.json: cannot be written \(Read-only file system\)"):
        write_text(reference / "summary.json", "{}")
