"""The wheel, unpacked outside the checkout: the one command, its configurations, two processes, and no OpenCV."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.conftest import records
from tests.launch import TWO, environment

ROOT = Path(__file__).parents[2]
DROPSTREAM = "import sys; sys.argv[0] = 'dropstream'; from engine.dropstream import main; main()"
SMALL = (
    "--config faces --data.tasks Young Bald --pipeline.image_size 32 --pipeline.threads 1 --model.trunk vgg11 --model.tap pool1 "
    "--model.hidden 4 --features.dir features --train.epochs 1 --train.batch_size 8 --report.console plain"
).split()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel's file."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """What `pip install` would unpack, on a machine without OpenCV."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    (folder / "cv2.py").write_text("raise ModuleNotFoundError(\"No module named 'cv2'\", name='cv2')\n")
    return folder


def call(site, cwd, *words) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DROPSTREAM, *map(str, words)]
    variables = environment() | {"PYTHONPATH": str(site)}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=240, check=False)


def test_it_claims_two_names_and_carries_the_configurations(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        (entry_points,) = (file.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        (metadata,) = (file.read(name).decode() for name in names if name.endswith("/METADATA"))
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"engine", "shards", "dropstream"}
    assert "engine/configs/celeba_dst.yaml" in names
    assert entry_points.split() == ["[console_scripts]", "dropstream", "=", "engine.dropstream:main"]
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: opencv")]
    assert all("extra == 'demo'" in line for line in required)


def test_every_command_works_from_it(site, celeba, tmp_path):
    helped = call(site, tmp_path, "--help")
    assert helped.returncode == 0
    assert all(name in helped.stdout for name in ("pack", "check", "train", "compare", "report", "faces"))
    for name in ("pack", "check", "train", "compare", "report"):
        told = call(site, tmp_path, name, "--help")
        assert (told.returncode, told.stderr) == (0, "")
        assert f"usage: dropstream {name}" in told.stdout
    source = ["--images", celeba / "img_align_celeba", "--attributes", celeba / "list_attr_celeba.txt"]
    packed = call(site, tmp_path, "pack", *source, "--partition", celeba / "list_eval_partition.txt", "--out", "shards", "--workers", "2")
    assert packed.returncode == 0, packed.stderr
    assert call(site, tmp_path, "check", "shards").returncode == 0
    trained = call(site, tmp_path, "train", *SMALL, "--data.shards", "shards", "--run.dir", "run")
    assert trained.returncode == 0, trained.stderr
    assert "test balanced accuracy" in call(site, tmp_path, "report", "run").stdout
    words = [*TWO, "--module", "engine.train", *SMALL, "--data.shards", "shards", "--run.dir", "two"]
    variables = environment() | {"PYTHONPATH": str(site)}
    launched = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert launched.returncode == 0, launched.stderr
    assert records(tmp_path / "two")[0]["world_size"] == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, ""),
        (["pak"], 2, "error: dropstream has no command 'pak'; did you mean 'pack'\n"),
        (["frobnicate"], 2, "error: dropstream has no command 'frobnicate'; there are pack, check, train, compare, report, faces\n"),
        (["faces", "out"], 2, "error: dropstream faces needs an extra: pip install 'dropstream[demo]'\n"),
        (
            ["train", "--config", "celeba_dts"],
            2,
            "error: --config celeba_dts: no such file, nor one of celeba_all_tasks, celeba_dst, celeba_finetune, conflict, demo, faces; "
            "did you mean 'celeba_dst'?\n",
        ),
        (
            ["report", "gone"],
            3,
            "error: gone/records.jsonl: no such file; give the folder (--run.dir of the training) of a run that has started\n",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(site, tmp_path, words, code, message):
    told = call(site, tmp_path, *words)
    assert (told.returncode, told.stderr) == (code, message)


def test_a_python_without_the_packages_is_told_what_to_do():
    for tool in ("make_shards", "report", "benchmark"):
        # Without site-packages: no library of ours is there.
        told = subprocess.run([sys.executable, "-S", "-E", str(ROOT / "tools" / tool)], capture_output=True, text=True, check=False)
        assert told.returncode == 1
        assert told.stdout == ""
        (line,) = told.stderr.splitlines()
        assert line.startswith(f"error: tools/{tool} needs the package ")
        assert f"{os.path.realpath(ROOT)}/.venv/bin/activate" in line


def test_a_reader_that_goes_away_is_no_matter(site, tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import os; os.close(0)"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        command, variables = [sys.executable, "-c", DROPSTREAM, "--help"], environment() | {"PYTHONPATH": str(site)}
        told = subprocess.run(command, cwd=tmp_path, env=variables, stdout=reader.stdin, stderr=subprocess.PIPE, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
