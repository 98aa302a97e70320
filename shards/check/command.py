"""`tools/check_shards`: is a packed data set whole? And if what stands beside the tars is not, make it anew."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import tyro

from shards.check.files import (
    check_counts,
    check_dali_heads,
    check_hashes,
    check_samples,
    check_shapes,
    check_sizes,
    check_wids,
    unknown_files,
)
from shards.check.problems import Problem, Problems
from shards.check.rebuild import rebuild_index
from shards.check.shard import CheckedShard, ShardCheck, check_shard
from shards.command import one_line, run
from shards.cores import usable_cores
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.packing.progress import Progress
from shards.packing.runner.pool import in_processes
from shards.storage.folder import check_no_shard, is_url


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions:
    """Check a packed data set and name every shard and key that is damaged; or make all files beside its tars anew."""

    folder: tyro.conf.Positional[str]
    """Folder that tools/make_shards wrote."""
    fast: bool = False
    """Look at sizes, shapes and counts only, which takes a moment; a flipped bit is not seen."""
    workers: int = usable_cores()
    """Processes, each of which checks one shard at a time."""
    rebuild_index: bool = False
    """Make index.npy, labels.npy, keys.npy, wids.json, manifest.json and the *.idx anew from the tars. Images of a tar that is not known to
    be sound are decoded."""
    attributes: str | None = None
    """Attribute file that was packed, for --rebuild-index where manifest.json is lost or damaged: the tars do not hold the names."""
    key_column: str | None = None
    """Column of a CSV or Parquet attribute file that names the image. Default: the first."""
    columns: tuple[str, ...] = ()
    """Attributes that were taken, in their order. Default: all columns but the key column."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, or could have no effect."""
        if is_url(self.folder):
            raise ConfigurationError(f"{self.folder}: is a URL; copy the data set to this machine and check the copy")
        check_no_shard("tools/check_shards", self.folder)
        if self.workers < 1:
            raise ConfigurationError(f"--workers is {self.workers}, expected at least 1")
        if self.fast and self.rebuild_index:
            raise ConfigurationError("--fast has no effect with --rebuild-index, which reads everything; leave one out")
        if self.attributes is not None and not self.rebuild_index:
            raise ConfigurationError("--attributes has no effect without --rebuild-index")
        if (self.key_column is not None or self.columns) and self.attributes is None:
            raise ConfigurationError("--key-column and --columns have no effect without --attributes")


def main() -> None:
    """Run the command line."""
    run(CheckOptions, check_shards)


def check_shards(options: CheckOptions) -> None:
    """Check a data set, or rebuild its index, and print what came of it.

    Raises:
        ConfigurationError: The attribute names needed for a rebuild are nowhere, or another process is at work in the folder.
        DataError: The data set has problems; all of them were printed.
    """
    folder = Path(options.folder)
    if options.rebuild_index:
        rebuild_index(
            folder, attributes=options.attributes, key_column=options.key_column, columns=options.columns, workers=options.workers
        )
        return
    started = time.perf_counter()
    found: list[Problems] = []
    try:
        with Progress("checking") as progress:
            manifest = _find_problems(folder, options, progress, found)
    finally:
        # Also of a check that is interrupted.
        for problems in found:
            for line in problems.lines():
                print(one_line(line))
    _conclude(folder, manifest, found, fast=options.fast, seconds=time.perf_counter() - started)


def _find_problems(folder: Path, options: CheckOptions, progress: Progress, found: list[Problems]) -> Manifest:
    manifest = load_manifest(folder)
    problems = Problems(file=MANIFEST)
    found.append(problems)
    readable = check_sizes(folder, manifest, problems)
    sound = not options.fast and check_hashes(folder, manifest, readable, problems)
    usable = check_shapes(folder, manifest, readable, problems)
    if usable:
        check_counts(folder, manifest, problems)
    if options.fast:
        check_dali_heads(folder, manifest, readable, problems)
    else:
        progress.begin(len(manifest.shards), sum(shard.samples for shard in manifest.shards))
        checked = _check_tars(_jobs(folder, manifest, readable, has_arrays=usable), options.workers, progress, found)
        if usable and sound:
            check_samples(folder, manifest, problems)
        if sound and len(checked) == len(manifest.shards) and not any(shard.problems.count for shard in checked):
            check_wids(folder, manifest, {shard.name: shard.md5 for shard in checked}, problems)
    if not any(problems.count for problems in found):
        try:
            ShardDataset(folder)
        except DataError as error:
            problems.add(str(error))
    return manifest


def _jobs(folder: Path, manifest: Manifest, readable: set[str], *, has_arrays: bool) -> Iterator[ShardCheck]:
    first_row = 0
    for number, entry in enumerate(manifest.shards):
        if entry.name in readable:
            yield ShardCheck(
                folder=folder,
                entry=entry,
                number=number,
                first_row=first_row,
                attributes=manifest.attributes,
                has_arrays=has_arrays,
                has_dali_index=Path(entry.name).with_suffix(".idx").name in readable,
            )
        first_row += entry.samples


def _check_tars(jobs: Iterator[ShardCheck], workers: int, progress: Progress, found: list[Problems]) -> list[CheckedShard]:
    """Check all shards and add their problems in the shards' order, whatever order they end in."""
    numbered = {job.entry.name: job for job in jobs}
    workers = min(workers, len(numbered))
    if workers > 1:
        results = in_processes(check_shard, numbered.values(), progress.advance, workers=workers, what="checking")
    else:
        results = (check_shard(job, progress.advance) for job in numbered.values())
    checked: dict[str, CheckedShard] = {}
    try:
        # Closed at once when interrupted, so that the workers end before this process does.
        with closing(results):
            for shard in results:
                checked[shard.name] = shard
                progress.finish_shard()
                if shard.problems.count:
                    progress.advance(0, 0, shard.problems.count)
    finally:
        ordered = [checked[name] for name in numbered if name in checked]
        found += [shard.problems for shard in ordered]
    return ordered


def _conclude(folder: Path, manifest: Manifest, found: list[Problems], *, fast: bool, seconds: float) -> None:
    count = sum(problems.count for problems in found)
    if count:
        shown = [problem for problems in found for problem in problems.shown]
        raise DataError(f"{folder}: {count:,} problem{'s' * (count > 1)}, the first: {shown[0]}; {_advice(shown)}")
    for name in unknown_files(folder, manifest):
        print(one_line(f"note: {folder / name}: the manifest does not know it, so it is no part of the data set"))
    num_samples = sum(shard.samples for shard in manifest.shards)
    megabytes = sum(shard.bytes for shard in manifest.shards) / 1e6
    what = f"{num_samples:,} samples in {len(manifest.shards)} shards, {megabytes:,.1f} MB"
    if fast:
        print(one_line(f"{folder}: {what}, sizes and shapes are right ({seconds:.2f} s; without --fast every byte is looked at)"))
    else:
        print(one_line(f"{folder}: {what}, whole ({seconds:,.1f} s, {num_samples / seconds:,.0f} images/s)"))


def _advice(problems: list[Problem]) -> str:
    if any(problem.file.endswith(".tar") or problem.file == MANIFEST for problem in problems):
        return "restore the files named above, or pack the data set again"
    return "restore the files named above, or run tools/check_shards --rebuild-index"
