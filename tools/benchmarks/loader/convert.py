"""The images as litdata stores them, made by a process of its own: `python -m tools.benchmarks.loader.convert WORK SCRATCH`."""

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shards.dataset import ShardDataset
from shards.faces.layout import IMAGE_FOLDER
from tools.benchmarks.loader.work import Work


def sample(folder: Path, item: tuple[str, NDArray[np.int8]]) -> dict[str, bytes | torch.Tensor]:
    """Return the JPEG's bytes as they are, and its labels."""
    name, labels = item
    return {"jpg": (folder / name).read_bytes(), "labels": torch.from_numpy(labels)}


def convert(work: Work, out: Path) -> None:
    """Write all samples into as many chunks as there are shards."""
    # Imported here: litdata is an optional extra.
    import litdata  # pyrefly: ignore[missing-import]

    dataset = ShardDataset(Path(work.shards))
    items = [(f"{dataset.key(number)}.jpg", np.array(dataset.labels[number])) for number in range(len(dataset))]
    litdata.optimize(
        partial(sample, Path(work.faces) / IMAGE_FOLDER),
        items,
        str(out),
        chunk_size=-(-len(items) // len(work.shard_paths())),
        num_workers=work.threads,
        verbose=False,
    )


def main() -> None:
    """Convert, and print the seconds as JSON."""
    work, scratch = Work.from_json(sys.argv[1]), Path(sys.argv[2])
    # litdata, its worker processes included, leaves folders where temporary files go.
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    started = time.perf_counter()
    convert(work, scratch / "out")
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
