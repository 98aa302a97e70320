"""`tools/check_shards --rebuild-index`: all that stands beside the tars, made anew from them."""

import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shards.annotations import SPLITS
from shards.arrays import Arrays, ShardFacts, new_arrays, publish
from shards.check.contents import open_tar, read_contents
from shards.check.files import SHARD
from shards.check.shard import hash_tar
from shards.command import one_line
from shards.errors import ConfigurationError, DataError
from shards.labels.annotation_file import attribute_names
from shards.labels.selection import Selection
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.packing.images import find_twice
from shards.packing.inputs import local_file
from shards.packing.job import NOTES, Advance
from shards.packing.output import sweep
from shards.packing.progress import Progress
from shards.packing.runner.pool import in_processes
from shards.storage.folder import Folder
from shards.storage.opening import lock, open_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class RebuildJob:
    """One shard to be read."""

    folder: Path
    """Where the tars are."""
    parts: Path
    """Where what is found goes meanwhile: the memory does not grow with the data set."""
    name: str
    """`train-000000`, without a suffix."""
    num_attributes: int
    """Length of the label vectors."""
    known_sha256: str | None
    """Hash of the tar if it is known to be sound."""


def rebuild_index(folder: Path, *, attributes: str | None, key_column: str | None, columns: Sequence[str], workers: int) -> None:
    """Write arrays, `.idx` files, `wids.json` and manifest anew. Until all tars are found sound, nothing is changed.

    Args:
        folder: The tars.
        attributes: Attribute file for the names, which the tars do not hold; None to take them from the manifest that is there.
        key_column: As in `read_annotations`.
        columns: As in `read_annotations`.
        workers: Number of processes.

    Raises:
        ConfigurationError: There are no attribute names, or another process is at work in the folder.
        DataError: A tar is missing or damaged; the message names it and the key.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; name the one that holds the tars")
    if (folder / NOTES).exists():
        raise ConfigurationError(f"{folder}: its packing has not ended, so tars may be missing; run tools/make_shards again to finish it")
    given = None
    if attributes is not None:
        with local_file(attributes) as path:
            given = attribute_names(path, Selection(key_column=key_column, columns=tuple(columns)), name=attributes)
    with lock(str(folder)):
        out = open_folder(str(folder))
        # Of an earlier rebuild that was killed.
        sweep(out)
        names = _find_shards(folder)
        before = _sound_manifest(folder)
        wanted = _choose_attributes(folder, before, given, attributes)
        with Progress("rebuilding") as progress, out.scratch() as parts:
            known = {shard.name: shard.sha256 for shard in before.shards} if before else {}
            jobs = [
                RebuildJob(folder=folder, parts=parts, name=name, num_attributes=len(wanted), known_sha256=known.get(f"{name}.tar"))
                for name in names
            ]
            progress.begin(len(jobs), 0 if before is None else sum(shard.samples for shard in before.shards))
            facts = _read_all(jobs, workers, progress)
            manifest = _write(out, parts, facts, wanted, before)
    _tell(folder, before, manifest)


def read_shard(job: RebuildJob, advance: Advance) -> ShardFacts:
    """Read a shard whole, decode its images if it is not the one that was packed, and leave what was found in the folder of parts.

    Raises:
        DataError: It is damaged.
    """
    path = job.folder / f"{job.name}.tar"
    try:
        sha256, md5 = hash_tar(path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    with open_tar(path) as tar:
        # An unchanged tar passed the check of its packing, which may have been of the headers only.
        contents = read_contents(tar, job.num_attributes, decode=sha256 != job.known_sha256, advance=advance)
        num_bytes = len(tar)
    if contents.num_defects:
        defect = contents.defects[0]
        where = f"{path}: {defect.key}" if defect.key else str(path)
        more = f"; {contents.num_defects - 1:,} more defects follow" if contents.num_defects > 1 else ""
        raise DataError(f"{where}: {defect.what} (at byte {defect.at}{more}); restore the shard; nothing was changed")
    try:
        for array, values in (("index", contents.rows), ("labels", contents.labels), ("keys", contents.keys)):
            np.save(job.parts / f"{job.name}.{array}.npy", values, allow_pickle=False)
        (job.parts / f"{job.name}.idx").write_bytes(contents.dali_index)
    except OSError as error:
        raise DataError(f"{job.parts}: cannot be written ({error.strerror}); free some space; nothing was changed") from error
    return ShardFacts(
        name=job.name,
        samples=len(contents.keys),
        bytes=num_bytes,
        sha256=sha256,
        md5=md5,
        pngs=contents.num_pngs,
        index_sha256=hashlib.sha256(contents.dali_index).hexdigest(),
    )


def _find_shards(folder: Path) -> list[str]:
    """Return the names of all tars in their order, without suffix."""
    numbers: dict[str, list[int]] = {split: [] for split in SPLITS}
    for name in os.listdir(folder):
        match = SHARD.fullmatch(name)
        if not match or name != f"{match['split']}-{int(match['number']):06d}.tar":
            continue
        if not stat.S_ISREG((folder / name).stat().st_mode):
            raise DataError(f"{folder / name}: is no plain file; remove it or restore the shard")
        numbers[match["split"]].append(int(match["number"]))
    for split, found in numbers.items():
        missing = sorted(set(range(len(found))) - set(found))
        if missing:
            raise DataError(f"{folder}: {split}-{missing[0]:06d}.tar is missing, and later ones are there; restore it; nothing was changed")
    names = [f"{split}-{number:06d}" for split, found in numbers.items() for number in range(len(found))]
    if not names:
        raise DataError(f"{folder}: holds no train-000000.tar or other shard; name the folder that tools/make_shards wrote")
    return names


def _sound_manifest(folder: Path) -> Manifest | None:
    try:
        return load_manifest(folder)
    except DataError:
        return None


def _choose_attributes(folder: Path, before: Manifest | None, given: tuple[str, ...] | None, source: str | None) -> tuple[str, ...]:
    if before is None and given is None:
        raise ConfigurationError(
            f"{folder / MANIFEST}: is missing or damaged, and the tars do not hold the attribute names; add --attributes with the file "
            "that was packed"
        )
    if before is not None and given not in (None, before.attributes):
        raise ConfigurationError(
            f"--attributes {source}: names other attributes than {folder / MANIFEST}, which is sound; leave the flag out, or remove the "
            "manifest to take the file's"
        )
    return before.attributes if before else given or ()


def _read_all(jobs: Sequence[RebuildJob], workers: int, progress: Progress) -> list[ShardFacts]:
    workers = min(workers, len(jobs))
    if workers > 1:
        results = in_processes(read_shard, jobs, progress.advance, workers=workers, what="rebuilding")
    else:
        results = (read_shard(job, progress.advance) for job in jobs)
    facts: dict[str, ShardFacts] = {}
    with closing(results):
        for shard in results:
            facts[shard.name] = shard
            progress.finish_shard()
    return [facts[job.name] for job in jobs]


def _write(out: Folder, parts: Path, facts: Sequence[ShardFacts], attributes: Sequence[str], before: Manifest | None) -> Manifest:
    num_samples = sum(shard.samples for shard in facts)
    if not num_samples:
        raise DataError(f"{out.url}: its tars hold no samples; restore them; nothing was changed")
    widths = [np.load(parts / f"{shard.name}.keys.npy", mmap_mode="r").dtype.itemsize for shard in facts]
    with new_arrays(out, num_samples, len(attributes), max(widths)) as arrays:
        start = 0
        for shard in facts:
            part = slice(start, start + shard.samples)
            for name, array in (("index", arrays.index), ("labels", arrays.labels), ("keys", arrays.keys)):
                array[part] = np.load(parts / f"{shard.name}.{name}.npy", allow_pickle=False)
            start += shard.samples
        _refuse_twice(out, arrays, facts)
        for shard in facts:
            with out.create(f"{shard.name}.idx") as file:
                file.write((parts / f"{shard.name}.idx").read_bytes())
        seed, resized = (before.seed, before.resized) if before else (None, None)
        return publish(out, arrays, facts, attributes=attributes, seed=seed, resized=resized)


def _refuse_twice(out: Folder, arrays: Arrays, facts: Sequence[ShardFacts]) -> None:
    if rows := find_twice(arrays.keys):
        ends = np.cumsum([shard.samples for shard in facts])
        first, second = (facts[int(np.searchsorted(ends, row, side="right"))].name for row in rows)
        key = arrays.keys[rows[0]].decode("ascii")
        raise DataError(f"{out.url}/{second}.tar: {key}: is in {first}.tar too; restore the right tars; nothing was changed")


def _tell(folder: Path, before: Manifest | None, manifest: Manifest) -> None:
    counts = ", ".join(f"{split} {manifest.num_samples(split):,}" for split in SPLITS)
    num_samples = sum(shard.samples for shard in manifest.shards)
    lines = [f"{folder}: rebuilt, {num_samples:,} samples ({counts}) in {len(manifest.shards)} shards"]
    if before:
        names = {shard.name for shard in manifest.shards}
        lines += [f"note: the manifest before named {s.name}, which is not there any more" for s in before.shards if s.name not in names]
        if before.source_digest != manifest.source_digest:
            lines.append("note: the manifest before was made for other samples, labels or attribute names than are there now")
    for line in lines:
        print(one_line(line))
