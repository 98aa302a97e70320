"""F-10 to F-12: full and read-only disks, and names that are hard to handle."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from shards.dataset import ShardDataset
from tests.conftest import write_celeba
from tests.faults.test_packing import contents

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
NAMESPACES = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])


@pytest.fixture(scope="session")
def namespace() -> list[str]:
    """A command that runs another with mounts of its own."""
    for command in NAMESPACES:
        try:
            tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, timeout=30, check=False)
        except FileNotFoundError:
            continue
        if tried.returncode == 0:
            return command
    pytest.skip("this kernel allows no mounts, or unshare and mount are missing")


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"} | {"PATH": path}


def on_a_disk(namespace: list[str], disk: Path, script: str) -> dict[str, str]:
    """Run a script whose folder `disk` may be mounted upon; return what it echoed as `name: words`, a line each."""
    disk.mkdir(exist_ok=True)
    done = subprocess.run(
        [*namespace, "bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=120, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in done.stdout.splitlines())


def command(source: Path, out: Path, *flags: object) -> str:
    words = ["--images", source / "img_align_celeba", "--attributes", source / "list_attr_celeba.txt", "--shards", 3, *flags]
    return shlex.join(map(str, [TOOLS / "make_shards", *words, "--partition", source / "list_eval_partition.txt", "--out", out]))


def attempt(packing: str, out: Path) -> str:
    """Lines of a script: pack, and tell the exit code, the complaint and the files that are left."""
    return f"""
code=0; complaint=$({packing} 2>&1 >/dev/null) || code=$?
echo "code: $code"
echo "complaint: $(echo "$complaint" | tr '\\n' '|')"
echo "left: $(find {shlex.quote(str(out))} -mindepth 1 -printf '%P ' | sort)"
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_f10_a_full_disk_while_packing_is_named_and_the_same_command_goes_on(namespace, celeba, shards, tmp_path, workers):
    disk = tmp_path / "disk"
    out, saved = disk / "out", tmp_path / "saved"
    packing = command(celeba, out, "--workers", workers)
    told = on_a_disk(
        namespace,
        disk,
        f"""
        mount -t tmpfs -o size=512k none {disk}
        {attempt(packing, out)}
        mount -o remount,size=16m {disk}
        {packing} >{tmp_path}/printed
        cp -r {out} {saved}
        """,
    )
    assert told["code"] == "3"
    wanted = rf"error: {out}/\S+: cannot be written \(No space left on device\); nothing was left under this name\|"
    assert re.fullmatch(wanted, told["complaint"])
    left = told["left"].split()
    assert not [name for name in left if name.endswith((".tmp", ".lock", "manifest.json"))]
    assert contents(saved) == contents(shards)
    # What was finished before the disk was full was kept.
    finished = sum(name.startswith(".parts/") and name.endswith(".json") for name in left)
    assert finished
    assert f"({finished} of them from before)" in (tmp_path / "printed").read_text()


def test_f10_a_disk_that_is_full_already(namespace, celeba, tmp_path):
    disk = tmp_path / "disk"
    out = disk / "out"
    told = on_a_disk(
        namespace,
        disk,
        f"""
        mount -t tmpfs -o size=64k none {disk}
        head -c 64k /dev/zero >{disk}/other
        {attempt(command(celeba, out, "--workers", 1), out)}
        echo "other: $(stat -c %s {disk}/other)"
        """,
    )
    assert told["code"] in ("2", "3")
    assert re.fullmatch(rf"error: {out}[^|]*No space left on device[^|]*\|", told["complaint"])
    # The mark that packing has begun takes no room; whatever else is there would be in the way.
    assert set(told["left"].split()) <= {".parts", ".parts/begun"}
    assert told["other"] == "65536"


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Four thousand names of one tiny image."""
    source = write_celeba(tmp_path_factory.mktemp("many") / "celeba", num_images=1)
    image = source / "img_align_celeba" / "000001.jpg"
    image.write_bytes(simplejpeg.encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    names = [f"{'k' * 80}{number:04d}.jpg" for number in range(4000)]
    for name in names:
        os.link(image, image.with_name(name))
    image.unlink()
    _, attributes, row = (source / "list_attr_celeba.txt").read_text().splitlines()
    labels = row.removeprefix("000001.jpg")
    (source / "list_attr_celeba.txt").write_text("\n".join(["4000", attributes, *(name + labels for name in names)]) + "\n")
    (source / "list_eval_partition.txt").write_text("".join(f"{name} 0\n" for name in names))
    return source


@pytest.mark.parametrize("free", ["64", "512", "1100"], ids=["filling", "copying", "copying-the-last"])
def test_f10_a_disk_that_is_full_when_only_the_arrays_are_missing(namespace, many, tmp_path, free):
    disk = tmp_path / "disk"
    out, saved = disk / "out", tmp_path / "saved"
    packing = command(many, out, "--workers", 1)
    # The arrays take 4,000 rows of 27, 40 and 84 bytes, once while they are filled and once under their names: 590 KiB twice.
    told = on_a_disk(
        namespace,
        disk,
        f"""
        mount -t tmpfs -o size=64m none {disk}
        # A folder where an array belongs stops the packing when its shards are finished.
        mkdir -p {out}/index.npy
        {packing} 2>{tmp_path}/stopped && exit 1
        rmdir {out}/index.npy
        used=$(df --output=used -k {disk} | tail -1)
        mount -o remount,size=$((used + {free}))k {disk}
        {attempt(packing, out)}
        mount -o remount,size=64m {disk}
        {packing} >{tmp_path}/printed
        cp -r {out} {saved}
        """,
    )
    assert (tmp_path / "stopped").read_text().startswith(f"error: {out}/index.npy: cannot be written (Is a directory)")
    assert told["code"] == "3", told
    assert re.fullmatch(rf"error: {out}[^|]*No space left on device[^|]*\|", told["complaint"])
    left = told["left"].split()
    assert not [name for name in left if name.endswith((".tmp", ".lock", "manifest.json")) or name.startswith(".dropstream")]
    assert "4,000 samples (train 4,000, val 0, test 0) in 3 shards (3 of them from before)" in (tmp_path / "printed").read_text()
    assert len(ShardDataset(saved)) == 4000


def test_f11_a_read_only_disk_is_refused_before_anything_is_packed(namespace, celeba, tmp_path):
    disk = tmp_path / "disk"
    out = disk / "out"
    told = on_a_disk(
        namespace,
        disk,
        f"""
        mount -t tmpfs -o ro none {disk}
        {attempt(command(celeba, out), disk)}
        """,
    )
    assert told["code"] == "2"
    assert told["complaint"] == f"error: {out}: cannot be used as a folder to write into (Read-only file system)|"
    assert told["left"] == ""


@pytest.mark.parametrize("out", ["file", "file/out", "file/a/b"])
def test_f11_a_file_is_no_output(celeba, tmp_path, out):
    (tmp_path / "file").write_text("thesis")
    done = run(shlex.split(command(celeba, tmp_path / out)), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --out {tmp_path / out}: cannot be read as a folder (Not a directory); name a folder to write into\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "thesis"


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, env=environment(), check=False)


def same_set(folder: Path, shards: Path) -> bool:
    assert [len(ShardDataset(folder).split_range(split)) for split in ("train", "val", "test")] == [52, 13, 15]
    return contents(folder) == contents(shards)


NAMES = {
    "blanks": "two  blanks ",
    "unicode": "Jörg 日本 😀",
    "dash": "-x",
    "200-bytes": "k" * 200,
    "markup": "[red]x[] :smile:",
    "shell": "a'b\"c$(d)*?;#%20",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_f12_a_name_is_a_name_in_every_place(celeba, shards, tmp_path, name):
    there, source = tmp_path / "there", tmp_path / "there" / name / "source"
    source.parent.mkdir(parents=True)
    # A root that is a link, and files that are.
    source.symlink_to(celeba, target_is_directory=True)
    (there / name / name).symlink_to(celeba / "list_attr_celeba.txt")
    out = there / name / "out" / name
    inputs = ["--images", source / "img_align_celeba", "--attributes", there / name / name, "--workers", 1, "--shards", 3]
    done = run([*map(str, [TOOLS / "make_shards", *inputs, "--partition", source / "list_eval_partition.txt", "--out", out])], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{' '.join(str(out).split())}: 80 samples")
    assert same_set(out, shards)
    checked = run([str(TOOLS / "check_shards"), str(out), "--workers", "1"], tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "80 samples in 9 shards" in checked.stdout


@pytest.mark.parametrize(("flags", "checked"), [(["--out=-x"], ["--", "-x"]), (["--out", "./-x"], ["./-x"])], ids=["equals", "dot"])
def test_f12_relative_paths_from_another_folder_that_begin_with_a_dash(celeba, shards, tmp_path, monkeypatch, flags, checked):
    monkeypatch.chdir(tmp_path)
    Path("-images").symlink_to(celeba / "img_align_celeba", target_is_directory=True)
    Path("-labels").symlink_to(celeba / "list_attr_celeba.txt")
    Path("-splits").symlink_to(celeba / "list_eval_partition.txt")
    words = [str(TOOLS / "make_shards"), "--images=-images", "--attributes=-labels", "--partition=-splits", "--shards", "3", *flags]
    # In processes of their own, too, a relative path means the same.
    done = run([*words, "--workers", "2"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert same_set(Path("-x"), shards)
    again = run(words, tmp_path)
    assert (again.returncode, again.stdout.endswith("-x: is packed already, from these images and labels; nothing to do\n")) == (0, True)
    done = run([str(TOOLS / "check_shards"), *checked], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_f12_an_output_behind_a_link(celeba, shards, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    done = run(shlex.split(command(celeba, tmp_path / "link" / "out", "--workers", 1)), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert same_set(tmp_path / "real" / "out", shards)
    assert run(shlex.split(command(celeba, tmp_path / "real" / "out")), tmp_path).returncode == 0


def test_f12_a_link_to_nowhere_is_no_output(celeba, tmp_path):
    (tmp_path / "link").symlink_to("gone")
    done = run(shlex.split(command(celeba, tmp_path / "link")), tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(f"error: {tmp_path / 'link'}: cannot be used as a folder to write into")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
