"""F-14: two processes pack into one folder, on this machine and on S3, through the real command."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import write_celeba

ROOT = Path(__file__).parents[2]

# make_shards itself; at the last image it says so and stands still until its standard input ends.
SLOW = """
import sys
from shards.packing import job, pack
check, seen = job.check_image, []
def slow_check(image, **options):
    seen.append(image)
    if len(seen) == 12:
        print("in the middle", flush=True)
        sys.stdin.read()
    return check(image, **options)
job.check_image = slow_check
pack.main()
"""


@pytest.fixture(params=["local", "s3"])
def out(request, tmp_path):
    return str(tmp_path / "set") if request.param == "local" else request.getfixturevalue("s3_folder")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_celeba(tmp_path_factory.mktemp("source") / "celeba", num_images=12)


def command(program: str, source: Path, out: str) -> list[str]:
    images, attributes = str(source / "img_align_celeba"), str(source / "list_attr_celeba.txt")
    return [sys.executable, "-c", program, "--images", images, "--attributes", attributes, "--out", out, "--shards", "1", "--workers", "1"]


@pytest.fixture
def first(source, out):
    """A packer that stands still in the middle."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command(SLOW, source, out), stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout.readline() == "in the middle\n", process.stderr.read()
            yield process
        finally:
            process.kill()


def second(source: Path, out: str) -> subprocess.CompletedProcess[str]:
    program = "from shards.packing import pack; pack.main()"
    return subprocess.run(command(program, source, out), capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def test_the_second_is_refused_and_the_first_finishes(first, source, out):
    started = time.monotonic()
    refused = second(source, out)
    assert time.monotonic() - started < 20
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.count("\n") == 1
    assert f"process {first.pid}" in refused.stderr
    assert "is at work in it; wait for its end" in refused.stderr
    stdout, stderr = first.communicate(timeout=60)
    assert first.returncode == 0, stderr
    assert "12 samples" in stdout
    assert "packed already" in second(source, out).stdout


def test_a_killed_ones_lock_is_taken_over_at_once(first, source, out):
    first.kill()
    first.wait()
    started = time.monotonic()
    done = second(source, out)
    assert done.returncode == 0, done.stderr
    # Less than three beats: nobody waited for it.
    assert time.monotonic() - started < 9


# On this machine the kernel keeps a stopped process's lock.
@pytest.mark.parametrize("out", ["s3"], indirect=True)
def test_one_that_was_stopped_and_wakes_up_gives_way(first, source, out):
    first.send_signal(signal.SIGSTOP)
    done = second(source, out)
    assert done.returncode == 0, done.stderr
    first.send_signal(signal.SIGCONT)
    # Its standard input stays open: only the lost lease can end it.
    assert first.wait(60) == 3
    assert f"error: {out}: another packing took over while this process was silent" in first.stderr.read()
    assert "packed already" in second(source, out).stdout
