"""`tools/benchmark gpu`: the GPU's tests, then the measurements, each in a process of its own."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.gpu_driver import check_driver, driver_version
from shards.errors import ConfigurationError, DataError
from shards.files import atomic_write
from tools.benchmarks.gpu import processes
from tools.benchmarks.gpu.outcome import Outcome, page, table
from tools.benchmarks.gpu.schedule import PARTS, PREPARATION_SECONDS, TESTS
from tools.benchmarks.gpu.trial import read_figures
from tools.benchmarks.gpu.work import Device, full_size, toy_size
from tools.benchmarks.result import machine

_PACKAGES = ("torch", "torchvision", "accelerate", "nvidia-dali-cuda130", "nvidia-dali-cuda120")


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuBenchmark:
    """Run the GPU's tests and ten measurements on one GPU; see docs/gpu.md for what each figure should be."""

    device: Device = "cuda"
    """`cpu` does the same at toy size, to see that everything runs; its figures mean nothing."""
    only: tuple[int, ...] = ()
    """Numbers of the parts to run: 0 for the tests, 1 to 10 for the measurements. Default: all."""
    minutes: float = 9
    """Most minutes for everything; parts for which none are left are not begun."""
    out: Path = Path("runs/gpu")
    """Folder for results.json, table.md and log.txt, which grow while it works."""
    folder: Path = Path("data/gpu")
    """Folder for the faces, which are drawn and packed once, and for runs, which are removed."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        known = [part.number for part in PARTS]
        unknown = [number for number in self.only if number not in known]
        if unknown:
            raise ConfigurationError(f"--only has {unknown[0]}, expected numbers of {known[0]} to {known[-1]}")
        if self.minutes <= 0:
            raise ConfigurationError(f"--minutes is {self.minutes:g}, expected more than 0")


def benchmark_gpu(options: GpuBenchmark) -> None:
    """Test, measure, and print the table last.

    Raises:
        ConfigurationError: There is no GPU.
        DataError: A part failed; the others were run, and the table tells.
    """
    if options.device == "cuda" and not torch.cuda.is_available():
        check_driver()
        raise ConfigurationError("there is no GPU here; --device cpu (make gpu DEVICE=cpu) runs the same at toy size")
    for folder in (options.out, options.folder):
        folder.mkdir(parents=True, exist_ok=True)
    session = _Session(options)
    session.run()
    failed = [str(outcome.part.number) for outcome in session.outcomes if outcome.failed]
    print(f"{options.out}: results.json, table.md, log.txt\n\n{table(session.outcomes)}", flush=True)
    if failed:
        raise DataError(f"{', '.join(failed)} of the parts failed; {options.out / 'log.txt'} has what they wrote")


class _Session:
    def __init__(self, options: GpuBenchmark) -> None:
        self._options = options
        self._work = (full_size if options.device == "cuda" else toy_size)(str(options.folder.resolve()))
        self._log = options.out.resolve() / "log.txt"
        self._log.write_bytes(b"")
        self._deadline = time.monotonic() + 60 * options.minutes
        self._machine = _machine(options)
        self.outcomes = [Outcome(part) for part in PARTS if not options.only or part.number in options.only]

    def run(self) -> None:
        """Run all parts; faces are drawn and packed while the tests run."""
        with tempfile.TemporaryDirectory(prefix="gpu-") as name, self._prepared() as preparation:
            for outcome in self.outcomes:
                if outcome.part.needs_faces and preparation.poll() is None:
                    processes.wait(preparation, min(PREPARATION_SECONDS, self._left()), lambda: None)
                self._run(outcome, preparation, Path(name))

    @contextmanager
    def _prepared(self) -> Iterator[subprocess.Popen[bytes]]:
        process = processes.start(["-m", "tools.benchmarks.gpu.prepare", self._work.to_json()], self._work, self._log)
        try:
            yield process
        finally:
            processes.end(process)

    def _run(self, outcome: Outcome, preparation: subprocess.Popen[bytes], scratch: Path) -> None:
        part, limit = outcome.part, min(outcome.part.seconds, self._left())
        print(f"{part.number:2d}/{PARTS[-1].number} {part.title} …", end=" ", flush=True)
        if part.needs_faces and preparation.returncode != 0:
            outcome.status = "not begun: faces could not be drawn and packed"
        elif limit < 1:
            outcome.status = f"not begun: {self._options.minutes:g} minutes are over"
        else:
            started = time.monotonic()
            outcome.status = "running"
            (self._test if part is TESTS else self._measure)(outcome, scratch, started, limit)
            outcome.seconds = time.monotonic() - started
        print(f"{outcome.status}, {outcome.seconds:.0f} s", flush=True)
        self._write()

    def _measure(self, outcome: Outcome, scratch: Path, started: float, limit: float) -> None:
        figures = scratch / f"{outcome.part.name}.jsonl"

        def look() -> None:
            outcome.seconds = time.monotonic() - started
            known = read_figures(figures)
            if len(known) != len(outcome.figures):
                outcome.figures = known
                self._write()

        process = processes.start(processes.measurement(outcome.part.name, self._work, figures), self._work, self._log)
        outcome.status = processes.wait(process, limit, look)
        look()

    def _test(self, outcome: Outcome, scratch: Path, started: float, limit: float) -> None:
        runs = processes.test_runs(self._work, scratch)
        endings = [
            processes.wait(processes.start(command, self._work, self._log), limit - (time.monotonic() - started), lambda: None)
            for command, _ in runs
        ]
        outcome.figures = processes.tests_found([report for _, report in runs])
        outcome.status = next((ending for ending in endings if ending != "done"), "done")

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _write(self) -> None:
        results = {"machine": self._machine, "parts": [outcome.to_json() for outcome in self.outcomes]}
        for name, text in (("results.json", json.dumps(results, indent=1) + "\n"), ("table.md", page(self._machine, self.outcomes))):
            with atomic_write(self._options.out / name) as file:
                file.write(text.encode())


def _machine(options: GpuBenchmark) -> dict[str, object]:
    facts = machine(_PACKAGES) | {"command": shlex.join(["tools/benchmark", *sys.argv[1:]])}
    return facts | {"gpu": _gpu() if options.device == "cuda" else "none"}


def _gpu() -> str:
    """Return the card's name and driver; nvidia-smi needs no CUDA context, which would stay in this process."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        names = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        return f"driver {driver_version()}"
    return f"{names[0]}, driver {driver_version()}"
