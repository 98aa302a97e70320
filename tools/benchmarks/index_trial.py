"""Open a data set once, as a process of its own: `python -m tools.benchmarks.index_trial FOLDER`."""

import json
import os
import sys
import time
from pathlib import Path

from shards.dataset import ShardDataset
from tools.benchmarks.trial import anonymous_bytes

_SETTLE_SECONDS = 0.05
"""So that the watcher outside sees the memory at its most."""


def main() -> None:
    """Open, look up a few keys and print the seconds and the memory it took as JSON."""
    before = anonymous_bytes(os.getpid())
    started = time.perf_counter()
    dataset = ShardDataset(Path(sys.argv[1]))
    seconds = time.perf_counter() - started
    for number in (0, len(dataset) // 2, len(dataset) - 1):
        dataset.key(number)
    anonymous = anonymous_bytes(os.getpid()) - before
    time.sleep(_SETTLE_SECONDS)
    print(json.dumps({"seconds": seconds, "anonymous_bytes": anonymous}))


if __name__ == "__main__":
    main()
