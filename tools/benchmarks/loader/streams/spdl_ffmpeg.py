"""SPDL: threads that decode and scale whole batches with FFmpeg."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shards.dataset import ShardDataset
from shards.faces.layout import IMAGE_FOLDER
from tools.benchmarks.loader.streams.normalise import normalised
from tools.benchmarks.loader.work import Loaded, Work

_READY_BATCHES = 2


@contextmanager
def open_stream(work: Work) -> Iterator[Iterator[Loaded]]:
    """Shuffle all samples in each epoch; a thread makes a batch at a time, as SPDL's best practices have it for known batches."""
    # Imported here: SPDL is an optional extra.
    import spdl.io  # pyrefly: ignore[missing-import]
    from spdl.pipeline import PipelineBuilder  # pyrefly: ignore[missing-import]

    # SPDL's threads share the cores out; torch's own inside each of them would only be in the way.
    torch.set_num_threads(1)
    dataset = ShardDataset(Path(work.shards))
    scale = spdl.io.get_video_filter_desc(
        scale_width=work.image_size, scale_height=work.image_size, scale_algo="bilinear", scale_mode=None, pix_fmt="rgb24"
    )
    pipeline = (
        PipelineBuilder()
        .add_source(_orders(len(dataset), work.batch_size))
        .pipe(partial(_batch, dataset, Path(work.faces) / IMAGE_FOLDER, scale), concurrency=work.threads)
        .add_sink(_READY_BATCHES)
        .build(num_threads=work.threads)
    )
    with pipeline.auto_stop():
        yield iter(pipeline)


def _orders(num_samples: int, batch_size: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(num_samples)
        for first in range(0, num_samples - batch_size + 1, batch_size):
            yield order[first : first + batch_size]


def _batch(dataset: ShardDataset, folder: Path, scale: str, ids: NDArray[np.int64]) -> Loaded:
    import spdl.io  # pyrefly: ignore[missing-import]

    encoded = [(folder / f"{key.decode()}.jpg").read_bytes() for key in dataset.keys[ids]]
    pixels = spdl.io.to_torch(spdl.io.load_image_batch(encoded, width=None, height=None, filter_desc=scale))
    return normalised(pixels), torch.from_numpy(dataset.labels[ids])
