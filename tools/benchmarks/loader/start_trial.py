"""How long the first batch takes, in a process of its own: `python -m tools.benchmarks.loader.start_trial WORK`."""

import json
import sys
import time
from pathlib import Path

import torch

from shards.dataset import ShardDataset
from tools.benchmarks.loader.streams.dropstream import new_loader
from tools.benchmarks.loader.work import Work


def main() -> None:
    """Open the data set, make a loader, take one batch, and print the seconds as JSON."""
    work = Work.from_json(sys.argv[1])
    torch.set_num_threads(work.threads)
    started = time.perf_counter()
    dataset = ShardDataset(Path(work.shards))
    opened = time.perf_counter()
    with new_loader(dataset, work) as loader:
        next(loader)
        ended = time.perf_counter()
    print(json.dumps({"seconds": ended - started, "loader_seconds": ended - opened}))


if __name__ == "__main__":
    main()
