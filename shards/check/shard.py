"""The check of one shard, the unit of parallel work: tar, `.idx` and its rows of the arrays, each against the others."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shards.check.compare import Rows, compare_place, compare_samples, report_defects
from shards.check.contents import Contents, open_tar, read_contents
from shards.check.problems import Problems
from shards.errors import DataError
from shards.files import sha256_of
from shards.manifest import ShardEntry
from shards.packing.job import Advance

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardCheck:
    """All that is needed to check one shard."""

    folder: Path
    """The data set."""
    entry: ShardEntry
    """What the manifest says of it."""
    number: int
    """Its position in the manifest."""
    first_row: int
    """Where its rows begin in the arrays."""
    attributes: tuple[str, ...]
    """Names of the label columns."""
    has_arrays: bool
    """The arrays have the right shapes; else the shard is looked at alone."""
    has_dali_index: bool
    """The `.idx` can be opened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedShard:
    """What came of it."""

    name: str
    """File name of the tar."""
    problems: Problems
    """What is wrong with it."""
    md5: str
    """Hash of the tar, which `wids.json` wants; empty if it could not be read."""


def check_shard(job: ShardCheck, advance: Advance) -> CheckedShard:
    """Find all that is wrong with a shard.

    Args:
        job: What to check.
        advance: Told of the progress.
    """
    problems = Problems(file=job.entry.name)
    md5 = ""
    try:
        sha256, md5 = hash_tar(job.folder / job.entry.name)
        if sha256 != job.entry.sha256:
            problems.add("its bytes are not those that were packed: its SHA-256 is not the manifest's")
        with open_tar(job.folder / job.entry.name) as tar:
            contents = read_contents(tar, len(job.attributes), decode=False, advance=advance)
        rows = _load_rows(job) if job.has_arrays else None
        report_defects(contents, rows, len(job.attributes), problems)
        if len(contents.keys) != job.entry.samples and not contents.num_defects:
            problems.add(f"holds {len(contents.keys):,} samples, the manifest says {job.entry.samples:,}")
        if rows:
            compare_place(job.number, job.entry.split, job.first_row, rows, problems)
            compare_samples(contents, rows, job.attributes, problems)
        if job.has_dali_index:
            _check_dali_index(job, contents, problems)
    except DataError as error:
        problems.add(str(error))
    return CheckedShard(name=job.entry.name, problems=problems, md5=md5)


def hash_tar(path: Path) -> tuple[str, str]:
    """Return SHA-256 and MD5 of a file. It is read, not mapped: on a bad disk that is an error, where a mapping kills the process.

    Raises:
        DataError: It cannot be read.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); restore it") from error
    return sha256.hexdigest(), md5.hexdigest()


def _load_rows(job: ShardCheck) -> Rows:
    part = slice(job.first_row, job.first_row + job.entry.samples)
    index, labels, keys = (
        np.load(job.folder / name, mmap_mode="r", allow_pickle=False)[part] for name in ("index.npy", "labels.npy", "keys.npy")
    )
    return Rows(index=np.array(index), labels=np.array(labels), keys=np.array(keys))


def _check_dali_index(job: ShardCheck, contents: Contents, problems: Problems) -> None:
    path = (job.folder / job.entry.name).with_suffix(".idx")
    try:
        if sha256_of(path) != job.entry.index_sha256:
            problems.add("its SHA-256 is not the manifest's", file=path.name)
        # Of a damaged tar no index can be told.
        is_same = contents.num_defects or (path.stat().st_size == len(contents.dali_index) and path.read_bytes() == contents.dali_index)
    except OSError as error:
        problems.add(f"cannot be read ({error.strerror}); run tools/check_shards --rebuild-index", file=path.name)
        return
    if not is_same:
        problems.add(f"does not say where the samples of {job.entry.name} lie; run tools/check_shards --rebuild-index", file=path.name)
