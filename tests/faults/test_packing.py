"""Packing that is interrupted: killed, stopped, out of disk."""

import contextlib
import errno
import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from tests.conftest import pack, write_celeba
from tools.benchmarks.trial import family

ROOT = Path(__file__).parents[2]
KILL_POINTS = Path(__file__).with_name("kill_points.py")
PIPES = Path(__file__).with_name("pipes")


def contents(folder: Path) -> dict[str, str]:
    """Hashes of all files under a folder but the one that tells the time."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "summary.json"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def kill(*arguments: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, KILL_POINTS, *map(str, arguments)], env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=120
    ).stdout


@pytest.fixture(scope="module")
def killed(celeba, tmp_path_factory) -> list[Path]:
    """What F-01 leaves: folders of packings that were killed at every rename, fsync and removal, and at some of the members."""
    out = tmp_path_factory.mktemp("killed")
    counts = json.loads(kill(celeba, out).splitlines()[-1])
    points = []
    for kind, count in counts.items():
        numbers = range(1, count + 1)
        points += [f"{kind}:{number}" for number in (random.Random(kind).sample(numbers, 10) if "member" in kind else numbers)]
    assert len(points) > 20
    kill(celeba, out, *points)
    return [out / point.replace(":", "-") for point in points]


def test_f01_a_killed_packing_leaves_nothing_partial_and_is_finished_by_the_same_command(killed, celeba, shards):
    wanted = contents(shards)
    for folder in killed:
        left = contents(folder)
        for name in left:
            if name in wanted:
                assert left[name] == wanted[name], f"{folder.name}: {name} is not what an uninterrupted packing writes"
            else:
                assert name.startswith(".") or "/." in name, f"{folder.name}: {name} should not be there under a final name"
        if "manifest.json" not in left:
            with pytest.raises(DataError, match="is not a data set"):
                ShardDataset(folder)
        finished = [path.stem for path in (folder / ".parts").glob("*.json")]
        before = {name: (folder / f"{name}.tar").stat() for name in finished}
        pack(celeba, folder)
        assert contents(folder) == wanted, folder.name
        assert sorted(os.listdir(folder)) == sorted([*wanted, "summary.json"]), folder.name
        for name in finished:
            assert os.path.samestat(before[name], (folder / f"{name}.tar").stat()), f"{folder.name}: {name} was packed again"


def make_shards(source: Path, out: object, *flags: object, **settings) -> subprocess.Popen[str]:
    command = [ROOT / "tools" / "make_shards", "--images", source / "img_align_celeba", "--attributes", source / "list_attr_celeba.txt"]
    command += ["--partition", source / "list_eval_partition.txt", "--out", out, "--shards", 3, *flags]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(PIPES)}
    return subprocess.Popen([*map(str, command)], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)


@pytest.fixture
def blocked(tmp_path):
    """A source one of whose images comes through a pipe: whoever reads it waits until it is written to."""
    source = write_celeba(tmp_path / "celeba")
    image = source / "img_align_celeba" / "000031.jpg"
    data = image.read_bytes()
    pipe = image.with_name(f"{image.name}.pipe")
    os.mkfifo(pipe)
    return source, pipe, data


@contextlib.contextmanager
def caught(pipe: Path, packer: subprocess.Popen[str]) -> Iterator[IO[bytes]]:
    """Wait until the packer reads the pipe, so that it is in the middle of a shard; give the pipe's other end."""
    while True:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        assert packer.poll() is None, packer.communicate()
        time.sleep(0.005)
    with os.fdopen(descriptor, "wb") as end:
        yield end


def wait_for_end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            # Readable when the process is gone; the test's own time limit ends a wait for nothing.
            os.set_blocking(descriptor, True)
            assert select.select([descriptor], [], [], 60)[0], f"process {pid} lives on"
            os.close(descriptor)


@pytest.mark.parametrize("workers", [1, 2])
def test_f01_workers_die_with_a_killed_packer_and_write_nothing_more(workers, blocked, shards, tmp_path):
    source, pipe, data = blocked
    out = tmp_path / "out"
    packer = make_shards(source, out, "--workers", workers)
    with caught(pipe, packer) as end:
        _, *processes = family(packer.pid)
        packer.kill()
        packer.communicate()
        wait_for_end(processes)
        with contextlib.suppress(BrokenPipeError):
            end.write(data)
    left = contents(out)
    assert ".lock" in left
    assert [name for name in left if name.endswith(".tmp")]
    pipe.unlink()
    pack(source, out)
    assert contents(out) == contents(shards)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_f06_f09_signals_stop_a_packing_that_can_go_on(number, blocked, shards, tmp_path):
    source, pipe, _ = blocked
    packer = make_shards(source, tmp_path / "out", "--workers", 2, start_new_session=True)
    with caught(pipe, packer):
        _, *processes = family(packer.pid)
        # Twice, as people do; SIGINT to the whole group, as a terminal sends it.
        for _ in range(2):
            os.killpg(packer.pid, number) if number == signal.SIGINT else packer.send_signal(number)
        _, errors = packer.communicate(timeout=60)
        wait_for_end(processes)
    assert packer.returncode == 75
    assert "the same command goes on from there" in errors
    assert len(errors.splitlines()) == 1, errors
    assert not [name for name in contents(tmp_path / "out") if name.endswith(".tmp") or name == ".lock"]
    pipe.unlink()
    pack(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(shards)


def test_f14_a_second_packer_is_refused_and_a_dead_ones_lock_is_taken_over(blocked, shards, tmp_path):
    source, pipe, data = blocked
    out = tmp_path / "out"
    first = make_shards(source, out, "--workers", 1)
    with caught(pipe, first) as end:
        with pytest.raises(ConfigurationError, match=rf"another packing \(process {first.pid}\) is at work in it"):
            pack(write_celeba(tmp_path / "other"), out)
        end.write(data)
    assert first.wait(60) == 0, first.communicate()
    first.communicate()
    assert contents(out)["train-000001.tar"] == contents(shards)["train-000001.tar"]
