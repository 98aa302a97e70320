"""All targets under the fuzzer, two at a time, and one table at the end."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.guard import ROOT
from tests.fuzz.rehearsal import reproduction

_AT_A_TIME = 2
_GRACE_SECONDS = 60
"""After its time, and for its last input, a process may take as long."""
_STATUS = re.compile(r"cov: (\d+) .*?corp: (\d+)/")
_RUNS = re.compile(r"stat::number_of_executed_units: (\d+)|^#(\d+)\s", re.MULTILINE)
_FOUND = re.compile(r"finding: (\S+): (.*)")
_WRITTEN = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a target."""

    name: str
    runs: int
    edges: int
    """Places in the code that its inputs reach."""
    corpus: int
    """Inputs that each reach something of their own."""
    findings: tuple[tuple[str, str], ...]
    """What happened, and the input's file."""


def fuzz_all(names: Sequence[str], folder: Path, *, minutes: float, seed: int) -> int:
    """Fuzz targets for some minutes in all, print a table, and return the exit code: 1 if anything was found."""
    seconds = minutes * 60 * _AT_A_TIME / -(-len(names) // _AT_A_TIME * _AT_A_TIME)
    print(f"{len(names)} targets, {seconds:.0f} s each, {_AT_A_TIME} at a time; seed {seed}; corpus in {folder / 'corpus'}", flush=True)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        outcomes = list(pool.map(lambda name: _fuzz(name, folder, seconds=seconds, seed=seed), names))
    _print_table(outcomes)
    found = [(outcome.name, *finding) for outcome in outcomes for finding in outcome.findings]
    for name, words, path in found:
        print(f"\n{name}: {words}\n  input      {path}\n  reproduce  {reproduction(name, Path(path)) if path else '-'}")
    return int(bool(found))


def _fuzz(name: str, folder: Path, *, seconds: float, seed: int) -> Outcome:
    command = [sys.executable, "-m", "tests.fuzz", "worker", name, "--folder", str(folder), "--seconds", str(seconds), "--seed", str(seed)]
    log = folder / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as file:
        try:
            code = subprocess.run(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, timeout=seconds + _GRACE_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    outcome = outcome_of(name, log.read_text(encoding="utf-8", errors="replace"), code, log)
    print(f"{name}: {_result(outcome)} ({time.monotonic() - started:.0f} s)", flush=True)
    return outcome


def outcome_of(name: str, log: str, code: int | None, path: Path) -> Outcome:
    """Return what came of a target.

    Args:
        name: The target.
        log: What its process printed.
        code: Its exit status; None if it had to be ended.
        path: Where the log is.
    """
    status, runs = _STATUS.findall(log), _RUNS.findall(log)
    findings = [(words, file) for file, words in _FOUND.findall(log)]
    if code != 0:
        written = _WRITTEN.findall(log)
        kinds = {"timeout-": "takes too long", "oom-": "takes too much memory", "crash-": "ends the process"}
        what = next((words for kind, words in kinds.items() if written and kind in written[-1]), f"ends with status {code}, see {path}")
        findings.append((what, written[-1] if written else ""))
    return Outcome(
        name=name,
        runs=max((int(one or other) for one, other in runs), default=0),
        edges=int(status[-1][0]) if status else 0,
        corpus=int(status[-1][1]) if status else 0,
        findings=tuple(findings),
    )


def _print_table(outcomes: Sequence[Outcome]) -> None:
    rows = [("target", "runs", "edges", "corpus", "result")]
    rows += [(each.name, f"{each.runs:,}", f"{each.edges:,}", f"{each.corpus:,}", _result(each)) for each in outcomes]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    print()
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:4], widths[1:4], strict=True)), row[4]]
        print("  ".join(cells))


def _result(outcome: Outcome) -> str:
    count = len(outcome.findings)
    return "nothing found" if not count else f"{count} finding{'s' * (count > 1)}"
