"""One measured run: a function in a process of its own, its time by its own clock, its memory as seen from outside."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shards.errors import DataError

_SAMPLE_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What one run showed."""

    seconds: float
    """Wall-clock time of the measured part, without the start of Python and imports."""
    peak_anonymous_bytes: int
    """Most memory that the process and all its children held at a time: RssAnon, so mapped files do not count."""
    figures: dict[str, float]
    """Whatever else the function measured."""


def run_trial(module: str, *arguments: str) -> Trial:
    """Run `python -m module arguments…`, whose last line of output is a JSON object with `seconds`.

    Raises:
        DataError: The process failed.
    """
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    peak = _Peak(process.pid)
    peak.start()
    output, _ = process.communicate()
    peak.stop()
    if process.returncode:
        raise DataError(f"the benchmark's process {module} ended with {process.returncode}; what it wrote stands above")
    figures = json.loads(output.splitlines()[-1])
    return Trial(seconds=figures.pop("seconds"), peak_anonymous_bytes=peak.bytes, figures=figures)


def alternate(contenders: Sequence[tuple[str, Sequence[str]]], repeats: int) -> Iterator[tuple[int, Trial]]:
    """Run each contender in turn, `repeats` times over, so that a machine that slows down slows all of them.

    Args:
        contenders: Module and arguments of each.
        repeats: Rounds.

    Yields:
        The contender's number and its trial.
    """
    for _ in range(repeats):
        for number, (module, arguments) in enumerate(contenders):
            yield number, run_trial(module, *arguments)


def anonymous_bytes(pid: int) -> int:
    """Return a process's RssAnon in bytes, 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")), 0)


class _Peak(threading.Thread):
    """Looks at a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, sum(map(anonymous_bytes, _family(self._pid))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = children.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in pids:
            yield from _family(int(child))
