"""litdata on its own chunks, with torchvision's JPEG decoder, which is what litdata's own JPEG type uses."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

from shards.errors import DataError
from tools.benchmarks.loader.streams.normalise import of_tensor
from tools.benchmarks.loader.work import Loaded, Work


@contextmanager
def open_stream(work: Work) -> Iterator[Iterator[Loaded]]:
    """Shuffle chunks and the samples inside them."""
    # Imported here: litdata is an optional extra.
    import litdata  # pyrefly: ignore[missing-import]

    dataset = litdata.StreamingDataset(work.litdata, shuffle=True, transform=partial(_tensors, of_tensor(work.image_size)))
    loader = litdata.StreamingDataLoader(
        dataset, batch_size=work.batch_size, num_workers=work.threads, drop_last=True, persistent_workers=work.threads > 0
    )
    yield _epochs(loader)


def _epochs(loader: Any) -> Iterator[Loaded]:  # noqa: ANN401 (litdata is not there for the type checker)
    for epoch in itertools.count():
        batch = None
        for batch in loader:
            yield batch
        if batch is None:
            raise DataError(f"litdata: epoch {epoch} has no full batch; take more images or fewer workers")


def _tensors(transform: v2.Compose, sample: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    encoded = torch.frombuffer(sample["jpg"], dtype=torch.uint8)
    return transform(decode_jpeg(encoded, ImageReadMode.RGB)), sample["labels"]
