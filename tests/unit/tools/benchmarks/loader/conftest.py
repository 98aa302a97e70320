"""A few images in every contender's format."""

import numpy as np
import pytest
import torch
from PIL import Image

from shards.dataset import ShardDataset
from tests.conftest import pack, write_celeba
from tools.benchmarks.loader.work import Work

NUM_IMAGES, BATCH_SIZE, IMAGE_SIZE = 24, 4, 64


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Work:
    """Two dozen images, all of them for training, in two shards."""
    folder = tmp_path_factory.mktemp("loader")
    faces = write_celeba(folder / "faces", NUM_IMAGES)
    (folder / "partition.txt").write_text("".join(f"{number + 1:06d}.jpg 0\n" for number in range(NUM_IMAGES)))
    shards = pack(faces, folder / "shards", partition=(str(folder / "partition.txt"),), shards=2)
    return Work(
        faces=str(faces),
        shards=str(shards),
        litdata=str(folder / "litdata"),
        threads=1,
        batch_size=BATCH_SIZE,
        image_size=IMAGE_SIZE,
        warmup_batches=0,
        batches=1,
        seconds=0.0,
    )


@pytest.fixture(scope="session")
def references(work) -> torch.Tensor:
    """[samples, 3, size, size]: what every contender should make of the images, in the order of the data set."""
    dataset, images = ShardDataset(work.shard_paths()[0].parent), []
    for number in range(len(dataset)):
        image = Image.open(f"{work.faces}/img_align_celeba/{dataset.key(number)}.jpg")
        pixels = np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR), np.float32) / 255
        images.append(torch.from_numpy((pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).float().permute(2, 0, 1))
    return torch.stack(images)
