"""A data set on S3: packed there with the tool, and trained from there through a copy on this machine."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shards.errors import ConfigurationError
from shards.storage.url_folder import UrlFolder
from tests.integration.conftest import results, train

ROOT = Path(__file__).parents[2]


def make_shards(images: object, celeba: Path, out: object, *options: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    files = ["--attributes", str(celeba / "list_attr_celeba.txt"), "--partition", str(celeba / "list_eval_partition.txt")]
    command = [str(ROOT / "tools" / "make_shards"), "--images", str(images), *files, "--out", str(out), "--shards", "3", *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def remote_digests(url: str) -> dict[str, str]:
    folder = UrlFolder(url)
    names = sorted(info.name for info in folder.list())
    return {name: hashlib.sha256(content).hexdigest() for name, content in zip(names, folder.read_many(names), strict=True)}


def local_digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def packed(celeba, s3, tmp_path_factory):
    """The same data set packed from this machine to S3 and to a folder of the same name."""
    url, folder = f"{s3}/trained/set", tmp_path_factory.mktemp("packed") / "set"
    for out in (url, folder):
        done = make_shards(celeba / "img_align_celeba", celeba, out, "--workers", "2")
        assert (done.returncode, done.stderr) == (0, "")
        assert "80 samples (train 52, val 13, test 15) in 9 shards" in done.stdout
    return url, folder


def without_summary(digests: dict[str, str]) -> dict[str, str]:
    """All but the file that tells how long it took."""
    return {name: digest for name, digest in digests.items() if name != "summary.json"}


def test_the_objects_are_the_files_of_a_packing_on_this_machine(packed):
    url, folder = packed
    assert without_summary(remote_digests(url)) == without_summary(local_digests(folder))
    assert "summary.json" in remote_digests(url)


def test_images_are_read_from_s3(packed, celeba, s3):
    images, out = UrlFolder(f"{s3}/faces"), f"{s3}/from-s3/set"
    for path in (celeba / "img_align_celeba").iterdir():
        images.write(path.name, path.read_bytes())
    done = make_shards(images.url, celeba, out, "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert without_summary(remote_digests(out)) == without_summary(local_digests(packed[1]))
    again = make_shards(images.url, celeba, out)
    assert (again.returncode, again.stderr) == (0, "")
    assert "nothing to do" in again.stdout


def test_a_bucket_that_is_not_there_is_one_line(celeba, s3):
    done = make_shards(celeba / "img_align_celeba", celeba, f"{s3}-of-nobody/set")
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: {s3}-of-nobody/set")
    assert done.stderr.count("\n") == 1


def test_training_from_s3_is_training_from_disk_and_downloads_once(packed, s3_server, tmp_path):
    url, folder = packed
    from_disk = train(folder, tmp_path / "disk")
    from_s3 = train(url, tmp_path / "s3", data__cache=tmp_path / "cache")
    assert results(from_s3) == results(from_disk)
    before = len(s3_server.requests())
    again = train(url, tmp_path / "again", data__cache=tmp_path / "cache")
    assert results(again) == results(from_disk)
    asked = s3_server.requests()[before:]
    assert asked
    assert all(request.endswith("/manifest.json") for request in asked)
    # A run goes on wherever its data set lies now.
    resumed = train(folder, tmp_path / "s3", run__if_exists="resume")
    assert results(resumed) == results(from_disk)
    (copy,) = (tmp_path / "cache").iterdir()
    assert json.loads((copy / "manifest.json").read_text()) == json.loads((folder / "manifest.json").read_text())


def test_a_url_needs_a_cache(packed, tmp_path):
    with pytest.raises(ConfigurationError, match=r"data\.shards is the URL .*; name a folder for its copy with data\.cache"):
        train(packed[0], tmp_path / "run")
    with pytest.raises(ConfigurationError, match=r"data\.cache has no effect"):
        train(packed[1], tmp_path / "run", data__cache=tmp_path / "cache")
