"""One measured run: a function in a process of its own, its time by its own clock, its memory as seen from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shards.errors import DataError

_SAMPLE_SECONDS = 0.01


class TrialError(DataError):
    """The process failed.

    Attributes:
        reason: The last line that it wrote to stderr, or else how it ended.
    """

    def __init__(self, module: str, ending: str, complaint: str) -> None:
        lines = [line.strip() for line in complaint.splitlines() if line.strip()]
        self.reason = lines[-1] if lines else ending
        detail = f" ({self.reason})" if lines else ""
        super().__init__(f"the benchmark's process {module} {ending}{detail}; what it wrote stands above")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What one run showed."""

    seconds: float
    """Wall-clock time of the measured part, without the start of Python and imports."""
    peak_anonymous_bytes: int
    """Most memory that the process and all its children held at a time: RssAnon, so mapped files do not count."""
    figures: dict[str, float]
    """Whatever else the function measured."""


def run_trial(module: str, *arguments: str, timeout_seconds: float | None = None) -> Trial:
    """Run `python -m module arguments…`, whose last line of output is a JSON object with `seconds`.

    What it writes to stderr is shown only if it fails: libraries warn of much that says nothing about a trial.

    Args:
        module: What to run.
        arguments: What it is told.
        timeout_seconds: The process is ended, with all that it started, if it takes longer.

    Raises:
        TrialError: The process failed.
    """
    # Worker processes that are ended leave temporary folders behind.
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        command, environment = [sys.executable, "-m", module, *arguments], os.environ | {"TMPDIR": scratch}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
        with _watched(process.pid) as peak:
            output, ending = _outcome(process, timeout_seconds)
        if ending:
            stderr.seek(0)
            complaint = stderr.read()
            sys.stderr.write(complaint)
            raise TrialError(module, ending, complaint)
    figures = json.loads(output.splitlines()[-1])
    return Trial(seconds=figures.pop("seconds"), peak_anonymous_bytes=peak.bytes, figures=figures)


def _outcome(process: subprocess.Popen[str], timeout_seconds: float | None) -> tuple[str, str]:
    """Return the process's output, and in words how it failed, if it did."""
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        for pid in list(family(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()
        return "", f"did not end within {timeout_seconds:g} seconds"
    return output, f"ended with {process.returncode}" if process.returncode else ""


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


@contextlib.contextmanager
def _watched(pid: int) -> Iterator["_Peak"]:
    peak = _Peak(pid)
    peak.start()
    try:
        yield peak
    finally:
        peak.stop()


class _Peak(threading.Thread):
    """Looks at a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, sum(map(anonymous_bytes, family(self._pid))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants; those that end meanwhile are left out."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = children.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in pids:
            yield from family(int(child))
