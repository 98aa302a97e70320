"""Runs that share a cache of features, and what of them can be compared."""

from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from safetensors.torch import load_file

from tests.conftest import ATTRIBUTES, pack
from tests.integration.conftest import flags, records, results
from tests.launch import TRAIN

NUM_IMAGES = 900
"""Four blocks of 256, the last one short."""
BLOCKS = [0, 1, 2, 3]

# Training that keeps a list of the blocks that it writes, with what a test adds to it. `at(n, do)` does something at the n-th of the two
# writes of each block, its rows and its entry.
PROGRAM = f"""
import os, signal, sys, time
from pathlib import Path
from engine.loop.features import rendezvous, store
note, name, begun = Path(os.environ["NOTES"]), os.environ.get("RANK", "0"), []
write, write_at, lock = store.FeatureStore.write, store._write_at, rendezvous.lock_folder

def tell(what):
    with (note / what).open("a") as file:
        file.write("\\n")

def stand_still(until):
    tell("standing still")
    while not (note / until).exists():
        time.sleep(0.02)

def noted(self, block, *args):
    with (note / ("blocks" + name)).open("a") as file:
        file.write(f"{{block}}\\n")
    write(self, block, *args)

def locked(*args, **options):
    tell("asks for the lock")
    return lock(*args, **options)

def at(number, do):
    def doing(path, offset, data):
        begun.append(path)
        if len(begun) == number:
            do(path, offset, bytes(data))
        write_at(path, offset, data)
    store._write_at = doing

def die_after_half_of_it(path, offset, data):
    write_at(path, offset, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

store.FeatureStore.write, rendezvous.lock_folder = noted, locked
# what the test adds
{TRAIN}
"""


def program(addition: str = "") -> str:
    return PROGRAM.replace("# what the test adds", addition)


@pytest.fixture(scope="session")
def small_images(tmp_path_factory) -> Path:
    """A packed data set of small images."""
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (NUM_IMAGES, len(ATTRIBUTES)))
    (folder / "img_align_celeba").mkdir()
    names = [f"{number:06d}.jpg" for number in range(1, NUM_IMAGES + 1)]
    for name in names:
        pixels = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        (folder / "img_align_celeba" / name).write_bytes(simplejpeg.encode_jpeg(pixels))
    rows = [name + "".join(f" {2 * value - 1:2d}" for value in row) for name, row in zip(names, labels, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(NUM_IMAGES), " ".join(ATTRIBUTES), *rows]) + "\n")
    codes = np.repeat([0, 1, 2], [600, 140, 160])
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {code}\n" for name, code in zip(names, codes, strict=True)))
    return pack(folder, folder / "packed")


OPTIONS = {
    "model__train_from": "heads",
    "model__tap": "pool1",
    "train__epochs": 2,
    "train__batch_size": 64,
    "report__every": 1,
    "report__console": "quiet",
}


class Runs:
    """Starts runs on one features folder."""

    def __init__(self, shards: Path, folder: Path, nursery) -> None:
        self.features = folder / "features"
        self._shards, self._folder, self._nursery = shards, folder, nursery
        self._number = 0

    def start(self, addition: str = "", *, ranks: int = 1, **options):
        """Start a run; return its processes, its folder, and where it keeps notes."""
        self._number += 1
        run_dir, notes = self._folder / f"run{self._number}", self._folder / f"notes{self._number}"
        notes.mkdir()
        words = flags(self._shards, run_dir, **({"features__dir": self.features} | OPTIONS | options))
        start = self._nursery.start_two if ranks == 2 else lambda *args, **variables: [self._nursery.start(*args, **variables)]
        return start(words, program(addition), NOTES=str(notes)), run_dir, notes

    def finish(self, addition: str = "", **options) -> tuple[list[tuple[int, str]], Path, list[list[int]]]:
        """Run to the end; return each rank's exit code and standard error, the folder, and the blocks that each rank wrote."""
        children, run_dir, notes = self.start(addition, **options)
        ends = [child.finish()[::2] for child in children]
        return ends, run_dir, [written(notes, rank) for rank in range(len(children))]


def written(notes: Path, rank: int = 0) -> list[int]:
    path = notes / f"blocks{rank}"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def bytes_of(features: Path) -> dict[str, bytes]:
    """What computing is to give, whoever does it."""
    return {str(path.relative_to(features)): path.read_bytes() for path in features.rglob("*") if path.name != ".lock" and path.is_file()}


def finished(features: Path) -> list[int]:
    """The blocks with an entry."""
    (path,) = features.glob("*/blocks.bin")
    return np.flatnonzero(np.fromfile(path, "<u4").reshape(-1, 3)[:, 2]).tolist()


@pytest.fixture
def runs(small_images, tmp_path, nursery) -> Runs:
    return Runs(small_images, tmp_path, nursery)


@pytest.fixture(scope="session")
def whole(small_images, nursery, tmp_path_factory) -> tuple[dict[str, bytes], Path]:
    """What an undisturbed run leaves: features, and its folder."""
    undisturbed = Runs(small_images, tmp_path_factory.mktemp("whole"), nursery)
    ends, run_dir, blocks = undisturbed.finish()
    assert (ends, blocks) == ([(0, "")], [BLOCKS])
    return bytes_of(undisturbed.features), run_dir


@pytest.fixture(scope="session")
def computed(small_images, nursery, tmp_path_factory) -> Path:
    """Features to be damaged in a copy."""
    made = Runs(small_images, tmp_path_factory.mktemp("computed"), nursery)
    assert made.finish(train__epochs=1)[0] == [(0, "")]
    return made.features


def assert_same(run_dir: Path, expected: Path) -> None:
    assert results(records(run_dir)) == results(records(expected))
    weights, others = (load_file(folder / "model.safetensors") for folder in (run_dir, expected))
    assert all(torch.equal(weights[name], others[name]) for name in others)
