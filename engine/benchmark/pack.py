"""`tools/benchmark pack`: packing speed beside webdataset's `ShardWriter`, and memory at ten times the images."""

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine.benchmark.result import write_result
from engine.benchmark.trial import Trial, alternate, run_trial
from shards.errors import ConfigurationError
from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER, PARTITION_FILE, image_name, partition_text
from shards.faces.write import Options, make_faces

_TRIAL = "engine.benchmark.pack_trial"
_CONTENDERS = ("ShardWriter", "header", "decode")
_SHOWN = {
    "ShardWriter": "webdataset.ShardWriter (checks nothing)",
    "header": "make_shards --check header",
    "decode": "make_shards --check decode",
}


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
    source = _faces(options)
    trials: dict[str, list[Trial]] = {name: [] for name in _CONTENDERS}
    with _scratch(options.folder) as scratch:
        # Once over all files, so that the first contender does not read them from the disk for the others.
        for path in os.scandir(source / IMAGE_FOLDER):
            Path(path).read_bytes()
        contenders = [(_TRIAL, (name, str(source), str(scratch / "out"))) for name in _CONTENDERS]
        for number, trial in alternate(contenders, options.repeats):
            trials[_CONTENDERS[number]].append(trial)
            shutil.rmtree(scratch / "out")
        large = _large_trial(options, source, scratch) if options.memory_factor > 1 else None
    seconds = {name: statistics.median(trial.seconds for trial in each) for name, each in trials.items()}
    memory = {name: max(trial.peak_anonymous_bytes for trial in each) for name, each in trials.items()}
    rates = {name: options.num_images / value for name, value in seconds.items()}
    figures: dict[str, object] = {
        "images": options.num_images,
        "images_per_second": rates,
        "ratio_to_ShardWriter": {name: rate / rates["ShardWriter"] for name, rate in rates.items()},
        "seconds": {name: [trial.seconds for trial in each] for name, each in trials.items()},
        "peak_anonymous_bytes": memory,
    }
    if large:
        figures["memory_at"] = options.num_images * options.memory_factor
        figures["peak_anonymous_bytes_large"] = large.peak_anonymous_bytes
        figures["memory_ratio"] = large.peak_anonymous_bytes / memory["header"]
    _print(options, rates, memory, large)
    write_result(options.json or options.folder / "pack.json", figures)


def _faces(options: PackBenchmark) -> Path:
    """Return a folder of as many faces as are wanted, drawn if it is not there yet."""
    folder = options.folder / f"faces-{options.num_images}"
    if not (folder / ATTRIBUTE_FILE).exists():
        make_faces(Options(out=folder, num_images=options.num_images))
    return folder


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Beside the images: hard links do not cross file systems."""
    with tempfile.TemporaryDirectory(prefix="packed-", dir=folder) as name:
        yield Path(name)


def _large_trial(options: PackBenchmark, source: Path, scratch: Path) -> Trial:
    """Pack many times the images: the same files under further names, so that no disk is filled and no hour spent drawing."""
    large = scratch / "large"
    (large / IMAGE_FOLDER).mkdir(parents=True)
    count, rows = options.num_images, (source / ATTRIBUTE_FILE).read_text().splitlines()
    with (large / ATTRIBUTE_FILE).open("w") as table:
        table.write(f"{count * options.memory_factor}\n{rows[1]}\n")
        for number in range(count * options.memory_factor):
            os.link(source / IMAGE_FOLDER / image_name(number % count), large / IMAGE_FOLDER / image_name(number))
            table.write(f"{image_name(number)} {rows[2 + number % count].partition(' ')[2]}\n")
    (large / PARTITION_FILE).write_text(partition_text(count * options.memory_factor))
    return run_trial(_TRIAL, "header", str(large), str(scratch / "out"))


def _print(options: PackBenchmark, rates: dict[str, float], memory: dict[str, int], large: Trial | None) -> None:
    table = Table(title=f"{options.num_images:,} images, medians of {options.repeats} rounds in turn")
    for column in ("", "images/s", "ratio", "peak RssAnon, MB"):
        table.add_column(column, justify="left" if not column else "right")
    for name, rate in rates.items():
        table.add_row(_SHOWN[name], f"{rate:,.0f}", f"{rate / rates['ShardWriter']:.2f}", f"{memory[name] / 1e6:.0f}")
    if large:
        count = options.num_images * options.memory_factor
        ratio = large.peak_anonymous_bytes / memory["header"]
        shown = f"{large.peak_anonymous_bytes / 1e6:.0f} ({ratio:.2f} times)"
        table.add_row(f"make_shards --check header, {count:,} images", f"{count / large.seconds:,.0f}", "", shown)
    Console().print(table)
