"""DALI's own webdataset reader, and DALI for all that follows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from nvidia.dali import Pipeline, fn, types

from shards.dataset import ShardDataset
from tools.benchmarks.loader.streams.normalise import MEAN, STD
from tools.benchmarks.loader.work import Loaded, Work


@contextmanager
def open_stream(work: Work) -> Iterator[Iterator[Loaded]]:
    """Read our tars with our indices, shuffled through the reader's buffer of its default size."""
    pipeline = Pipeline(batch_size=work.batch_size, num_threads=work.threads, device_id=None, exec_dynamic=True)
    with pipeline:
        pipeline.set_outputs(*_graph(work))
    pipeline.build()
    yield _batches(pipeline)


def _graph(work: Work) -> tuple[Any, Any]:
    num_attributes = ShardDataset(Path(work.shards)).labels.shape[1]
    paths = work.shard_paths()
    read: Any = fn.readers.webdataset(
        paths=[str(path) for path in paths],
        index_paths=[str(path.with_suffix(".idx")) for path in paths],
        ext=["jpg", "npy"],
        random_shuffle=True,
        missing_component_behavior="error",
    )
    encoded, array_file = read
    pixels: Any = fn.decoders.image(encoded, output_type=types.DALIImageType.RGB)
    pixels = fn.resize(pixels, size=(work.image_size, work.image_size), interp_type=types.DALIInterpType.INTERP_LINEAR)
    images = fn.crop_mirror_normalize(
        pixels,
        dtype=types.DALIDataType.FLOAT,
        output_layout="CHW",
        mean=[255 * value for value in MEAN],
        std=[255 * value for value in STD],
    )
    # The reader hands out the array's file: its labels are the last bytes.
    head_bytes = _array_file_bytes(paths[0]) - num_attributes
    labels: Any = fn.slice(array_file, start=(head_bytes,), shape=(num_attributes,), axes=(0,))
    return images, fn.reinterpret(labels, dtype=types.DALIDataType.INT8)


def _array_file_bytes(tar: Path) -> int:
    """Return the size of the label files, which is the same for all: the last but one entry of each line of an index."""
    with tar.with_suffix(".idx").open(encoding="ascii") as index:
        next(index)
        return int(next(index).split()[-2])


def _batches(pipeline: Pipeline) -> Iterator[Loaded]:
    while True:
        images, labels = pipeline.run()
        yield torch.from_dlpack(images.as_tensor()), torch.from_dlpack(labels.as_tensor())
