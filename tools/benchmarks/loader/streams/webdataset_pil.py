"""Plain webdataset on our tars, with Pillow and torchvision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import webdataset
from numpy.typing import NDArray

from tools.benchmarks.loader.streams.normalise import of_pillow
from tools.benchmarks.loader.work import Loaded, Work

_SHUFFLE_SAMPLES = 1000


@contextmanager
def open_stream(work: Work) -> Iterator[Iterator[Loaded]]:
    """Shuffle shards, then samples through a buffer; each worker has its own shards."""
    paths = [str(path) for path in work.shard_paths()]
    # Its methods are there only at run time.
    tars: Any = webdataset.WebDataset(paths, shardshuffle=len(paths), workersplitter=webdataset.split_by_worker)
    samples = (
        tars.shuffle(_SHUFFLE_SAMPLES)
        .decode("pil")
        .to_tuple("jpg", "npy")
        .map_tuple(of_pillow(work.image_size), _labels)
        # Without end, so that no worker has to begin anew.
        .repeat()
    )
    # Batched by the DataLoader, which writes to shared memory at once: a tenth faster than `batched` and a copy.
    yield iter(webdataset.WebLoader(samples, batch_size=work.batch_size, num_workers=min(work.threads, len(paths))))


def _labels(array: NDArray[np.int8]) -> torch.Tensor:
    return torch.from_numpy(array)
