"""Packing on a real Ray cluster of two nodes on this machine, one of which is killed half-way."""

import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from shards.storage.url_folder import UrlFolder
from tests.conftest import write_celeba
from tests.faults.test_packing import PIPES, caught, contents, make_shards

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is an optional extra")


class Cluster(NamedTuple):
    process: subprocess.Popen[str]
    address: str

    def kill_a_node(self) -> None:
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        assert self.answer() == "killed"

    def answer(self) -> str:
        # Ray prints lines of its own.
        lines = iter(self.process.stdout.readline, "")
        return next(line for line in map(str.strip, lines) if line == "killed" or line.startswith("address "))


# After the S3 server, so that the nodes know its address as nodes of a real cluster know their store's.
@pytest.fixture(scope="module")
def cluster(s3) -> Iterator[Cluster]:  # noqa: ARG001
    script = Path(__file__).with_name("ray_nodes.py")
    process = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(PIPES)}
    )
    with process:
        address = Cluster(process, "").answer().removeprefix("address ")
        yield Cluster(process, address)
        process.stdin.close()
        assert process.wait(60) == 0


def pack_on(cluster: Cluster, source: Path, out: object) -> subprocess.Popen[str]:
    return make_shards(source, out, "--runner", "ray", "--address", cluster.address)


def test_a_ray_cluster_writes_what_this_machine_writes(cluster, celeba, shards, tmp_path):
    packer = pack_on(cluster, celeba, tmp_path / "out")
    output, errors = packer.communicate(timeout=120)
    assert packer.returncode == 0, errors
    assert "80 samples (train 52, val 13, test 15) in 9 shards" in output
    assert contents(tmp_path / "out") == contents(shards)


def test_a_ray_cluster_packs_to_s3(cluster, celeba, shards, s3):
    packer = pack_on(cluster, celeba, f"{s3}/ray/set")
    _, errors = packer.communicate(timeout=120)
    assert packer.returncode == 0, errors
    folder = UrlFolder(f"{s3}/ray/set")
    names = sorted(set(contents(shards)) | {"summary.json"})
    assert sorted(info.name for info in folder.list()) == names
    names.remove("summary.json")
    assert [hashlib.sha256(data).hexdigest() for data in folder.read_many(names)] == [contents(shards)[name] for name in names]


def test_a_bad_image_is_named_by_the_driver_and_is_not_tried_again(cluster, tmp_path):
    source = write_celeba(tmp_path / "celeba", num_images=12)
    (source / "img_align_celeba" / "000007.jpg").write_bytes(b"GIF89a")
    packer = pack_on(cluster, source, tmp_path / "out")
    _, errors = packer.communicate(timeout=120)
    assert packer.returncode == 3
    assert "000007.jpg: is neither JPEG nor PNG but a GIF image" in errors
    # Ray's own core sometimes logs that nobody fetched the other tasks' errors.
    ours = [line for line in errors.splitlines() if "task_manager.cc" not in line]
    assert len(ours) == 1, errors


def test_an_address_without_a_cluster_is_a_wrong_argument(tmp_path, celeba, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    for flags in ((), ("--address", "127.0.0.1:1")):
        packer = make_shards(celeba, tmp_path / "out", "--runner", "ray", *flags)
        _, errors = packer.communicate(timeout=60)
        assert packer.returncode == 2
        assert errors.startswith("error: 127.0.0.1:1: no Ray cluster answers at this address")


def has_reader(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False
    return True


def test_sigterm_stops_a_packing_on_ray_that_can_go_on(cluster, shards, tmp_path):
    source = write_celeba(tmp_path / "celeba")
    pipe = source / "img_align_celeba" / "000031.jpg.pipe"
    os.mkfifo(pipe)
    packer = pack_on(cluster, source, tmp_path / "out")
    with caught(pipe, packer):
        packer.terminate()
        _, errors = packer.communicate(timeout=60)
    assert packer.returncode == 75, errors
    assert errors.splitlines()[-1].endswith("the same command goes on from there")
    pipe.unlink()
    _, errors = pack_on(cluster, source, tmp_path / "out").communicate(timeout=60)
    assert contents(tmp_path / "out") == contents(shards), errors


# The last one: it takes a node away.
def test_shards_of_a_killed_node_are_packed_by_the_other(cluster, shards, tmp_path):
    source = write_celeba(tmp_path / "celeba")
    # Two images of different shards come through pipes: both nodes have to wait, each in the middle of a shard.
    images = [source / "img_align_celeba" / f"{number:06d}.jpg" for number in (31, 32)]
    pipes = {image.with_name(f"{image.name}.pipe"): image.read_bytes() for image in images}
    for pipe in pipes:
        os.mkfifo(pipe)
    packer = pack_on(cluster, source, tmp_path / "out")
    first, second = pipes
    with caught(first, packer) as one, caught(second, packer) as other:
        cluster.kill_a_node()
        while all(map(has_reader, pipes)):
            assert packer.poll() is None, packer.communicate()
            time.sleep(0.01)
        alive, dead = (first, second) if has_reader(first) else (second, first)
        pipe = one if alive == first else other
        pipe.write(pipes[alive])
        pipe.close()
    with caught(dead, packer) as pipe:
        pipe.write(pipes[dead])
    _, errors = packer.communicate(timeout=120)
    assert packer.returncode == 0, errors
    assert contents(tmp_path / "out") == contents(shards)
