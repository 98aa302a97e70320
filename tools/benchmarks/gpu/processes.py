"""Parts as processes that cannot harm one another."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.work import Work
from tools.benchmarks.trial import family

ROOT = Path(__file__).parents[3]
_LOOK_SECONDS = 0.5
_ALONE = "test_memory.py"
"""It watches the memory of the whole GPU."""


def environment(work: Work) -> dict[str, str]:
    """Return what processes inherit: this checkout first, no launcher's settings, and the CPU alone where that is wanted."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE_")}
    path = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    on_cpu = {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""} if work.device == "cpu" else {}
    return kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | on_cpu


def start(command: Sequence[str], work: Work, log: Path) -> subprocess.Popen[bytes]:
    """Start a Python process whose output goes to the log's end."""
    with log.open("ab") as out:
        out.write(f"\n$ python {' '.join(command)[:200]}\n".encode())
        out.flush()
        return subprocess.Popen([sys.executable, *command], stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=environment(work))


def wait(process: subprocess.Popen[bytes], seconds: float, look: Callable[[], object]) -> str:
    """Wait for a process and end it, with all that it started, if it takes too long.

    Args:
        process: The process.
        seconds: Longest time from now.
        look: Called now and then.

    Returns:
        `done`, or what went wrong.
    """
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_LOOK_SECONDS)
                return "done" if code == 0 else f"failed with exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            look()
        return f"stopped after {seconds:.0f} s"
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants."""
    if process.poll() is None:
        for pid in list(family(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def measurement(name: str, work: Work, figures: Path) -> list[str]:
    """Return the command of a measurement."""
    return ["-m", "tools.benchmarks.gpu.trial", name, work.to_json(), str(figures)]


def test_runs(work: Work, scratch: Path) -> list[tuple[list[str], Path]]:
    """Return the commands of the tests, and where each reports."""
    tests = ROOT / "tests" / "gpu"
    # Libraries of other versions may warn of what those here do not.
    common = ["-m", "pytest", "-W", "default", "-p", "no:cacheprovider"]
    together = [str(tests), f"--ignore={tests / _ALONE}", "-n", "6"] if work.device == "cuda" else [str(tests)]
    runs = [together, [str(tests / _ALONE)]] if work.device == "cuda" else [together]
    return [
        ([*common, *run, f"--junitxml={scratch / f'tests-{number}.xml'}"], scratch / f"tests-{number}.xml")
        for number, run in enumerate(runs)
    ]


def tests_found(reports: Sequence[Path]) -> list[Figure]:
    """Return how many tests passed, and the names of those that failed."""
    cases = [case for report in reports if report.exists() for case in ET.parse(report).iter("testcase")]  # noqa: S314 (our own file)
    kinds: dict[str, list[ET.Element]] = {"passed": [], "failed": [], "skipped": []}
    for case in cases:
        failed, skipped = any(case.find(kind) is not None for kind in ("failure", "error")), case.find("skipped") is not None
        kinds["failed" if failed else "skipped" if skipped else "passed"].append(case)
    figures = [Figure(what=f"tests {kind}", value=len(found), expected="0" if kind == "failed" else "") for kind, found in kinds.items()]
    return figures + [
        Figure(what=f"{case.get('name')}", value="failed", note=_complaint(case), expected="passed") for case in kinds["failed"]
    ]


def _complaint(case: ET.Element) -> str:
    found = next(found for kind in ("failure", "error") if (found := case.find(kind)) is not None)
    return " ".join((found.get("message") or "").split())[:100]
