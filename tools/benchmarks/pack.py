"""`tools/benchmark pack`: packing speed beside webdataset's `ShardWriter`, and memory at ten times the images."""

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shards.errors import ConfigurationError
from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER
from shards.faces.write import Options, make_faces
from tools.benchmarks.contender import Contender, Score, contenders, scores
from tools.benchmarks.faces import link_faces
from tools.benchmarks.result import write_result
from tools.benchmarks.trial import Trial, alternate, run_trial

_TRIAL = "tools.benchmarks.pack_trial"
_REMARKS = (
    "ShardWriter: one process, in the file's order; no checks, hashes, index or fsync.",
    "make_shards: does all four; its time includes reading the table, planning and starting its workers.",
    "Imports are left out of the seconds for both.",
    "Memory: ShardWriter's is mostly torch, which webdataset imports.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackBenchmark:
    """Pack generated faces with make_shards and with webdataset's ShardWriter, in turns, and compare medians."""

    folder: Path = Path("data/benchmark")
    """Folder for the images, which are generated once, and for what is packed, which is removed again."""
    num_images: int = 20_000
    """Images."""
    repeats: int = 3
    """Rounds."""
    memory_factor: int = 10
    """Memory is measured once more at this many times the images (hard links to them); 1 leaves it out."""
    json: Path | None = None
    """File for the figures. Default: pack.json in the folder."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_images", "repeats", "memory_factor"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 1")


def benchmark_pack(options: PackBenchmark) -> None:
    """Measure, print a table and write the figures."""
    source = drawn_faces(options.folder, options.num_images)
    trials: dict[Contender, list[Trial]] = {contender: [] for contender in contenders()}
    with _scratch(options.folder) as scratch:
        # Once over all files, so that the first contender does not read them from the disk for the others.
        for path in os.scandir(source / IMAGE_FOLDER):
            Path(path).read_bytes()
        runs = [(_TRIAL, contender.arguments(source, scratch / "out")) for contender in trials]
        for number, trial in alternate(runs, options.repeats):
            trials[list(trials)[number]].append(trial)
            shutil.rmtree(scratch / "out")
        # With as many workers as there are: this is how much memory packing takes.
        widest = next(contender for contender in reversed(trials) if contender.writer == "header")
        large = _large_trial(options, source, scratch, widest) if options.memory_factor > 1 else None
    results = scores(options.num_images, trials)
    memory = _memory(options, widest, large, results[widest]) if large else None
    _print(options, results, memory)
    figures = {"images": options.num_images, "contenders": {who.name: dataclasses.asdict(score) for who, score in results.items()}}
    write_result(options.json or options.folder / "pack.json", figures | {"memory": memory and dataclasses.asdict(memory)})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Memory:
    """Packing many times the images."""

    contender: str
    """Who packed them."""
    images: int
    """How many they were."""
    images_per_second: float
    """In one round."""
    peak_anonymous_bytes: int
    """Most RssAnon of all processes together."""
    ratio: float
    """This, divided by the same contender's for the images of the comparison."""


def _memory(options: PackBenchmark, contender: Contender, large: Trial, score: Score) -> _Memory:
    num_images = options.num_images * options.memory_factor
    return _Memory(
        contender=contender.name,
        images=num_images,
        images_per_second=num_images / large.seconds,
        peak_anonymous_bytes=large.peak_anonymous_bytes,
        ratio=large.peak_anonymous_bytes / score.peak_anonymous_bytes,
    )


def drawn_faces(folder: Path, num_images: int) -> Path:
    """Return a folder of as many faces as are wanted, below the benchmarks' folder; they are drawn if they are not there yet."""
    faces = folder / f"faces-{num_images}"
    if not (faces / ATTRIBUTE_FILE).exists():
        make_faces(Options(out=faces, num_images=num_images))
    return faces


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Beside the images: hard links do not cross file systems."""
    with tempfile.TemporaryDirectory(prefix="packed-", dir=folder) as name:
        yield Path(name)


def _large_trial(options: PackBenchmark, source: Path, scratch: Path, contender: Contender) -> Trial:
    """Pack many times the images."""
    link_faces(source, scratch / "large", options.num_images * options.memory_factor)
    return run_trial(_TRIAL, *contender.arguments(scratch / "large", scratch / "out"))


def _print(options: PackBenchmark, results: Mapping[Contender, Score], memory: _Memory | None) -> None:
    title = f"{options.num_images:,} images, medians of {options.repeats} round{'s' * (options.repeats > 1)} in turn"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "workers", "images/s", "ratio", "seconds", "RssAnon, MB"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for contender, score in results.items():
        table.add_row(
            contender.title,
            f"{score.workers}",
            f"{score.images_per_second:,.0f}",
            f"{score.ratio_to_shard_writer:.2f}",
            f"{min(score.seconds):.2f}-{max(score.seconds):.2f}",
            f"{score.peak_anonymous_bytes / 1e6:.0f}",
        )
    Console().print(table)
    if memory:
        print(
            f"{memory.images:,} images ({memory.contender}): {memory.images_per_second:,.0f} images/s, "
            f"RssAnon {memory.peak_anonymous_bytes / 1e6:.0f} MB, {memory.ratio:.2f} times"
        )
    print(*_REMARKS, sep="\n")
