"""One training run, as a process of its own: `python -m tools.benchmarks.features.train_trial FLAGS…`, as engine/train.py takes them."""

import json
import sys
import time

from engine.command_line import parse
from engine.run.run import run


def main() -> None:
    """Train and print the seconds as JSON; imports are left out."""
    config = parse(sys.argv[1:])
    started = time.perf_counter()
    run(config)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
