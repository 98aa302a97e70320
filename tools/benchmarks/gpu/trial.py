"""A measurement as a process of its own: `python -m tools.benchmarks.gpu.trial NAME WORK FILE`."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.work import Work


def main() -> None:
    """Append each figure to the file as soon as it is known: what comes after may crash or take too long."""
    name, work, file = sys.argv[1:]
    module = importlib.import_module(f"tools.benchmarks.gpu.measurements.{name}")
    with Path(file).open("a", encoding="utf-8") as out:
        for figure in module.measure(Work.from_json(work)):
            out.write(json.dumps(asdict(figure)) + "\n")
            out.flush()
            print(f"  {figure.what}: {figure.in_words()} {figure.note}", flush=True)


def read_figures(file: Path) -> list[Figure]:
    """Return the figures that are known so far."""
    return list(_figures(file)) if file.exists() else []


def _figures(file: Path) -> Iterator[Figure]:
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        # The last one may just be in the making.
        if line.endswith("\n"):
            yield Figure(**json.loads(line))


if __name__ == "__main__":
    main()
