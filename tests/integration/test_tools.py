"""The executables under tools/, from images to a report, as a user types them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shards.dataset import ShardDataset
from tests.conftest import ATTRIBUTES, write_celeba

ROOT = Path(__file__).parents[2]
TOOLS = sorted(path for path in (ROOT / "tools").iterdir() if path.is_file() and not path.suffix)


def run(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(ROOT / "tools" / tool), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.mark.parametrize("tool", [path.name for path in TOOLS])
def test_every_tool_has_help_and_refuses_what_it_does_not_know(tool):
    assert os.access(ROOT / "tools" / tool, os.X_OK)
    helped, refused = run(tool, "--help"), run(tool, "--no-such-option")
    assert (helped.returncode, refused.returncode) == (0, 2)
    assert "usage" in helped.stdout
    assert "Traceback" not in refused.stderr


# Presses Control-C when tyro, which every command needs, is looked for.
INTERRUPTED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "tyro":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("command", ["tools/make_shards", "tools/compare", "-m engine.dropstream pack"])
def test_control_c_while_a_command_is_loaded_is_one_word(tmp_path, command):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED)
    words = [sys.executable, *command.split(), "--help"]
    found = subprocess.run(words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr, found.stdout) == (130, "interrupted\n", "")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with blanks and letters beyond ASCII in its path."""
    return write_celeba(tmp_path_factory.mktemp("Bilder von Jörg") / "celeba", num_images=20)


def pack(source: Path, out: Path, suffix: str = "txt") -> subprocess.CompletedProcess[str]:
    arguments = ["--images", source / "img_align_celeba", "--attributes", source / f"list_attr_celeba.{suffix}"]
    return run("make_shards", *arguments, "--partition", source / f"list_eval_partition.{suffix}", "--out", out, "--workers", 2)


def as_kaggle(source: Path) -> None:
    rows = (source / "list_attr_celeba.txt").read_text().splitlines()[2:]
    (source / "list_attr_celeba.csv").write_text(
        "\n".join([",".join(["image_id", *ATTRIBUTES]), *(",".join(row.split()) for row in rows)]) + "\n"
    )
    rows = (source / "list_eval_partition.txt").read_text().splitlines()
    (source / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *(row.replace(" ", ",") for row in rows)]) + "\n")


def test_official_files_and_kaggles_pack_to_the_same_bytes(source, tmp_path):
    as_kaggle(source)
    for suffix in ("txt", "csv"):
        done = pack(source, tmp_path / suffix / "set", suffix)
        assert done.returncode == 0, done.stderr
        assert "20 samples (train 13, val 4, test 3) in 15 shards" in done.stdout
    names = sorted(os.listdir(tmp_path / "txt" / "set"))
    assert names == sorted(os.listdir(tmp_path / "csv" / "set"))
    # The summary tells the time.
    for name in set(names) - {"summary.json"}:
        assert (tmp_path / "txt" / "set" / name).read_bytes() == (tmp_path / "csv" / "set" / name).read_bytes()


def test_packing_tells_what_is_wrong_in_one_line(source, tmp_path):
    missing = run(
        "make_shards", "--images", tmp_path / "no images", "--attributes", source / "list_attr_celeba.txt", "--out", tmp_path / "out"
    )
    assert (missing.returncode, missing.stdout) == (3, "")
    assert missing.stderr == f"error: {tmp_path}/no images: is not a folder of images (there are no files in it, or no such folder)\n"
    out_of_range = run("make_shards", "--images", "x", "--attributes", "y", "--out", "z", "--workers", "0")
    assert (out_of_range.returncode, out_of_range.stderr) == (2, "error: --workers is 0, expected at least 1\n")


def test_relative_paths_and_symbolic_links(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    assert pack(Path("link"), Path("sub/-out")).returncode == 0
    assert len(ShardDataset(tmp_path / "sub" / "-out")) == 20
