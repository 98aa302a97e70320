"""The usual way: torch's DataLoader, Pillow and torchvision on a folder of JPEGs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, RandomSampler

from shards.dataset import ShardDataset
from shards.faces.layout import IMAGE_FOLDER
from tools.benchmarks.loader.streams.normalise import of_pillow
from tools.benchmarks.loader.work import Loaded, Work

_EPOCHS = 1000
"""More than any trial sees: in one long epoch the workers never run dry."""


class _Faces(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The JPEGs of the folder with the data set's labels."""

    def __init__(self, work: Work) -> None:
        dataset = ShardDataset(Path(work.shards))
        self._folder = Path(work.faces) / IMAGE_FOLDER
        self._keys = dataset.keys
        self._labels = torch.from_numpy(dataset.labels.copy())
        self._transform = of_pillow(work.image_size)

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        with Image.open(self._folder / f"{self._keys[index].decode()}.jpg") as image:
            return self._transform(image.convert("RGB")), self._labels[index]


@contextmanager
def open_stream(work: Work) -> Iterator[Iterator[Loaded]]:
    """Shuffle all samples in each epoch."""
    faces = _Faces(work)
    sampler = RandomSampler(faces, num_samples=_EPOCHS * len(faces))
    yield iter(DataLoader(faces, batch_size=work.batch_size, sampler=sampler, num_workers=work.threads, drop_last=True))
