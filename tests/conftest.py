"""Fixtures shared by all tests: a small CelebA folder, and the same folder packed."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import settings

from shards.packing.pack import PackOptions, make_shards
from shards.packing.runner.pool import warm_up
from tests.s3 import s3, s3_folder, s3_server  # noqa: F401 (fixtures)

# The same examples in every run, and none that fails because the machine is busy.
settings.load_profile("ci")

GPU_TESTS = Path(__file__).parent / "gpu"
ATTRIBUTES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair "
    "Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache "
    "Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair "
    "Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
).split()
NUM_TRAIN, NUM_VAL, NUM_TEST = 52, 13, 15
NUM_IMAGES = NUM_TRAIN + NUM_VAL + NUM_TEST


def draw_image(label_row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A 178x218 picture of coarse patches in which each attribute, when on, lights up its own patch."""
    patches = rng.integers(60, 120, (8, 5, 3))
    patches.reshape(40, 3)[label_row == 1] += 120
    return np.ascontiguousarray(np.kron(patches, np.ones((28, 36, 1)))[:218, :178].astype(np.uint8))


def write_celeba(folder: Path, num_images: int = NUM_IMAGES, seed: int = 0) -> Path:
    """Write a folder in CelebA's own layout and formats."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (num_images, len(ATTRIBUTES)))
    (folder / "img_align_celeba").mkdir(parents=True)
    rows = []
    for number, row in enumerate(labels, start=1):
        name = f"{number:06d}.jpg"
        jpeg = simplejpeg.encode_jpeg(draw_image(row, rng), quality=90, colorsubsampling="420")
        (folder / "img_align_celeba" / name).write_bytes(jpeg)
        rows.append(name + "".join(f" {2 * value - 1:2d}" for value in row) + "\n")
    header = f"{num_images}\n" + "".join(f"{name} " for name in ATTRIBUTES) + "\n"
    (folder / "list_attr_celeba.txt").write_text(header + "".join(rows))
    codes = [0 if i < num_images * 0.65 else 1 if i < num_images * 0.81 else 2 for i in range(num_images)]
    (folder / "list_eval_partition.txt").write_text("".join(f"{i + 1:06d}.jpg {code}\n" for i, code in enumerate(codes)))
    return folder


def pack(source: Path, out: Path, **options) -> Path:
    """Pack a CelebA folder with its own partition file."""
    defaults: dict[str, Any] = {
        "images": str(source / "img_align_celeba"),
        "attributes": (str(source / "list_attr_celeba.txt"),),
        "partition": (str(source / "list_eval_partition.txt"),),
        "shards": 3,
        "workers": 1,
    }
    make_shards(PackOptions(out=str(out), **(defaults | options)))
    return out


def forget_accelerator() -> None:
    """Let this process train with another precision or device: Accelerate keeps its state for the life of the process."""
    # Tests without it do not wait for its import.
    if "accelerate.state" in sys.modules:
        state = sys.modules["accelerate.state"]
        state.AcceleratorState._reset_state(reset_partial_state=True)
        state.PartialState._reset_state()


@pytest.fixture(autouse=True)
def _accelerator_of_its_own(request, monkeypatch) -> Iterator[None]:
    """On a GPU machine, too, only the tests in `tests/gpu` use the GPU: the others expect the CPU's digits."""
    if not request.path.is_relative_to(GPU_TESTS):
        monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    yield
    forget_accelerator()


@pytest.fixture(scope="session", autouse=True)
def _fork_server() -> None:
    """A process has one fork server. Started by whoever packs first it would have no torch, and every loading process would import it."""
    warm_up("engine.pipeline.torch_stream")


@pytest.fixture(scope="session")
def celeba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in CelebA's layout: 80 images, 52 train, 13 val, 15 test."""
    return write_celeba(tmp_path_factory.mktemp("source") / "celeba")


@pytest.fixture(scope="session")
def shards(celeba: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder packed into three shards per split."""
    return pack(celeba, tmp_path_factory.mktemp("packed") / "shards")
