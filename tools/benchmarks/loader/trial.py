"""A contender of `tools/benchmark loader`, to be run as a process: `python -m tools.benchmarks.loader.trial MODULE:FUNCTION WORK`."""

import importlib
import json
import sys
import time

from tools.benchmarks.loader.work import OpenStream, Work


def measure(open_stream: OpenStream, work: Work) -> dict[str, float]:
    """Take batches as fast as they come.

    Returns:
        The seconds on the clock, and the batches and images that came meanwhile.
    """
    num_batches = num_images = 0
    with open_stream(work) as stream:
        for _ in range(work.warmup_batches):
            next(stream)
        started = time.perf_counter()
        while num_batches < work.batches or time.perf_counter() - started < work.seconds:
            images, _ = next(stream)
            num_batches += 1
            num_images += len(images)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "batches": num_batches, "images": num_images}


def main() -> None:
    """Measure once and print the figures as JSON."""
    module, _, function = sys.argv[1].partition(":")
    work = Work.from_json(sys.argv[2])
    open_stream = getattr(importlib.import_module(module), function)
    # Not imported for its own sake: it would count as memory of whoever does without.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(work.threads)
    print(json.dumps(measure(open_stream, work)))


if __name__ == "__main__":
    main()
