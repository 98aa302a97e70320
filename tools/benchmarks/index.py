"""`tools/benchmark index`: how long a data set of many samples takes to open, and how much memory."""

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from shards.annotations import SPLITS
from shards.arrays import Arrays, ShardFacts, new_arrays, publish
from shards.errors import ConfigurationError
from shards.storage.opening import open_folder
from tools.benchmarks.result import write_result
from tools.benchmarks.trial import Trial, run_trial

_TRIAL = "tools.benchmarks.index_trial"
_CHUNK = 1 << 20
_SHARD_SAMPLES = 8000
_IMAGE_BYTES = 7168


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexBenchmark:
    """Open a generated data set of many samples; its tars are empty files of the right size."""

    folder: Path = Path("data/benchmark")
    """Folder for the generated data set, which is removed again."""
    num_samples: int = 10_000_000
    """Samples."""
    num_attributes: int = 40
    """Label columns."""
    repeats: int = 3
    """How often it is opened, each time by a new process."""
    json: Path | None = None
    """File for the figures. Default: index.json in the folder."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_samples", "num_attributes", "repeats"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 1")


def benchmark_index(options: IndexBenchmark) -> None:
    """Measure, print a table and write the figures."""
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="index-", dir=options.folder) as name:
        _generate(Path(name), options)
        trials = [run_trial(_TRIAL, name) for _ in range(options.repeats)]
    seconds = statistics.median(trial.seconds for trial in trials)
    memory = max(trial.peak_anonymous_bytes for trial in trials)
    _print(options, seconds, memory, trials)
    figures = {
        "samples": options.num_samples,
        "attributes": options.num_attributes,
        "seconds": [trial.seconds for trial in trials],
        "peak_anonymous_bytes": memory,
        "anonymous_bytes_of_opening": [trial.figures["anonymous_bytes"] for trial in trials],
    }
    write_result(options.json or options.folder / "index.json", figures)


def _generate(folder: Path, options: IndexBenchmark) -> None:
    out = open_folder(str(folder))
    counts = np.diff([*range(0, options.num_samples, _SHARD_SAMPLES), options.num_samples]).tolist()
    num_test = max(len(counts) // 10, 1)
    names = [f"{SPLITS[0]}-{number:06d}" for number in range(len(counts) - num_test)]
    names += [f"{SPLITS[2]}-{number:06d}" for number in range(num_test)]
    facts = []
    for name, samples in zip(names, counts[len(counts) - len(names) :], strict=True):
        num_bytes = samples * (_IMAGE_BYTES + 2048)
        with (folder / f"{name}.tar").open("wb") as file:
            # A hole: the size is what opening looks at.
            file.truncate(num_bytes)
        facts.append(ShardFacts(name=name, samples=samples, bytes=num_bytes, sha256="0" * 64, md5="0" * 32, index_sha256="0" * 64))
    with new_arrays(out, options.num_samples, options.num_attributes, len(f"{options.num_samples:08d}")) as arrays:
        _fill(arrays, options)
        publish(out, arrays, facts, attributes=[f"Attribute_{number}" for number in range(options.num_attributes)], seed=0)


def _fill(arrays: Arrays, options: IndexBenchmark) -> None:
    rng = np.random.default_rng(0)
    for start in range(0, options.num_samples, _CHUNK):
        stop = min(start + _CHUNK, options.num_samples)
        numbers = np.arange(start, stop)
        arrays.index["offset"][start:stop] = 512 + (numbers % _SHARD_SAMPLES) * (_IMAGE_BYTES + 2048)
        arrays.index["size"][start:stop] = _IMAGE_BYTES
        arrays.index["crc32"][start:stop] = rng.integers(0, 2**32, stop - start, dtype=np.uint32)
        arrays.index["width"][start:stop], arrays.index["height"][start:stop] = 178, 218
        arrays.labels[start:stop] = rng.integers(0, 2, (stop - start, options.num_attributes), dtype=np.int8)
        arrays.keys[start:stop] = np.char.zfill(numbers.astype(arrays.keys.dtype), arrays.keys.itemsize)


def _print(options: IndexBenchmark, seconds: float, memory: int, trials: list[Trial]) -> None:
    title = f"opening {options.num_samples:,} samples x {options.num_attributes} labels, {len(trials)} new processes"
    console = Console(highlight=False)
    console.print(title, soft_wrap=True)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    spread = f"{min(trial.seconds for trial in trials):.3f}-{max(trial.seconds for trial in trials):.3f}"
    table.add_row("seconds, median (min-max)", f"{seconds:.3f} ({spread})")
    table.add_row("peak RssAnon of the process, MB", f"{memory / 1e6:.0f}")
    grown = max(trial.figures["anonymous_bytes"] for trial in trials)
    table.add_row("of these through opening, MB", f"{grown / 1e6:.1f}")
    console.print(table)
