"""`tools/make_shards`: annotations and images in; tars, index and manifest out."""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from shards import command
from shards.annotations import SPLITS, Annotations
from shards.celeba import read_attributes, read_partition
from shards.errors import ConfigurationError, DataError
from shards.files import atomic_write, fsync_folder, write_array
from shards.manifest import FORMAT_VERSION, MANIFEST, Manifest, ShardEntry, dump_manifest
from shards.plan import ShardPlan, keys_of, plan_shards, split_codes
from shards.tar import INDEX_DTYPE, PackedShard, Sample, write_shard

_UNFINISHED = ".unfinished"
"""File that marks a folder in which packing has begun and not ended."""

_OURS = re.compile(r"\.?(((train|val|test)-\d{6}\.(tar|idx))|((index|labels|keys)\.npy)|wids\.json|manifest\.json)(\.\d+\.tmp)?")
_IMAGE_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackOptions:
    """Pack a folder of JPEGs and its attribute file into shards, once per data set."""

    images: Path
    """Folder of the JPEG files that the attribute file names."""
    attributes: Path
    """CelebA's list_attr_celeba.txt, or Kaggle's list_attr_celeba.csv."""
    out: Path
    """Folder to write; made if it is missing. It must not hold a data set yet."""
    partition: Path | None = None
    """CelebA's list_eval_partition.txt or .csv. Without it: a seeded split of 70 % train, 15 % val, 15 % test."""
    shards: int | None = None
    """Shards per split, at most one per sample. Default: about 64 MiB each, at least 8."""
    workers: int = len(os.sched_getaffinity(0))
    """Processes that pack, each one shard at a time. The output does not depend on it."""
    seed: int = 0
    """Seed of the split and of the order of samples inside the shards."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.shards is not None and self.shards < 1:
            raise ConfigurationError(f"--shards is {self.shards}, expected at least 1")
        if self.workers < 1:
            raise ConfigurationError(f"--workers is {self.workers}, expected at least 1")
        if self.seed < 0:
            raise ConfigurationError(f"--seed is {self.seed}, expected at least 0")


def main() -> None:
    """Run the command line."""
    command.run(PackOptions, make_shards)


def make_shards(options: PackOptions) -> None:
    """Pack a data set and print what came of it.

    Raises:
        ConfigurationError: The output folder holds a data set or something else already.
        DataError: An input is missing, damaged or inconsistent. The output then has no manifest: it is not a data set.
    """
    started = time.perf_counter()
    annotations = read_attributes(options.attributes)
    partition = None if options.partition is None else read_partition(options.partition)
    keys = keys_of(annotations.files)
    splits = split_codes(annotations, partition, options.seed)
    sizes = _image_sizes(options.images, annotations.files)
    plans = plan_shards(keys, splits, sizes, shards_per_split=options.shards, seed=options.seed)
    _prepare_folder(options.out)
    packed = list(_pack(options, plans, annotations, keys))
    manifest = _write_index(options, plans, packed, annotations, keys)
    with atomic_write(options.out / MANIFEST) as file:
        file.write(dump_manifest(manifest).encode())
    (options.out / _UNFINISHED).unlink()
    fsync_folder(options.out)
    _print_summary(options.out, manifest, time.perf_counter() - started)


def _image_sizes(folder: Path, files: Sequence[str]) -> NDArray[np.int64]:
    """Return each image's size in bytes; refuse images without a row and rows without an image."""
    try:
        found = {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.name.lower().endswith(_IMAGE_SUFFIXES)}
    except OSError as error:
        raise DataError(f"{folder}: is not a folder of images ({error.strerror})") from error
    missing = [name for name in files if name not in found]
    if missing:
        raise DataError(f"{folder}: lacks {len(missing)} of the {len(files)} images that the attribute file names, first {missing[0]!r}")
    surplus = found.keys() - set(files)
    if surplus:
        raise DataError(f"{folder}: holds {len(surplus)} images that the attribute file does not name, first {min(surplus)!r}")
    return np.array([found[name] for name in files], np.int64)


def _prepare_folder(folder: Path) -> None:
    """Make the folder and mark it as unfinished; refuse one that holds a data set, or files without that mark."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = os.listdir(folder)
    except OSError as error:
        raise ConfigurationError(f"--out {folder}: cannot be used as a folder ({error.strerror})") from error
    if MANIFEST in names:
        raise ConfigurationError(f"--out {folder}: already holds a data set; remove it or name another folder")
    if names and _UNFINISHED not in names:
        raise ConfigurationError(f"--out {folder}: is not empty (holds {min(names)!r}); name another folder")
    # What an earlier attempt left goes: with other options its shards would stay beside the new ones.
    for name in names:
        if _OURS.fullmatch(name):
            (folder / name).unlink()
    (folder / _UNFINISHED).touch()


def _pack(options: PackOptions, plans: Sequence[ShardPlan], annotations: Annotations, keys: Sequence[str]) -> Iterator[PackedShard]:
    """Write the shards, several at a time, and yield the results in the order of the plans."""
    jobs = [
        [Sample(key=keys[row], image=options.images / annotations.files[row], labels=annotations.labels[row]) for row in plan.rows]
        for plan in plans
    ]
    paths = [options.out / f"{plan.name}.tar" for plan in plans]
    with _workers(min(options.workers, len(plans))) as pool:
        yield from track(
            pool.map(write_shard, paths, jobs),
            description="packing shards",
            total=len(plans),
            console=Console(stderr=True),
            disable=not Console(stderr=True).is_terminal,
        )


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that drops the jobs it has not begun when the body fails."""
    # forkserver: the libraries are imported once, and no lock of a parent's thread is inherited.
    context = get_context("forkserver")
    context.set_forkserver_preload([write_shard.__module__])
    pool = ProcessPoolExecutor(count, mp_context=context)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DataError("a packing process was killed (out of memory?); try again with fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _write_index(
    options: PackOptions, plans: Sequence[ShardPlan], packed: Sequence[PackedShard], annotations: Annotations, keys: Sequence[str]
) -> Manifest:
    index = np.concatenate([result.rows for result in packed]).astype(INDEX_DTYPE)
    index["shard"] = np.repeat(np.arange(len(plans)), [len(plan.rows) for plan in plans])
    index["split"] = np.repeat([plan.split for plan in plans], [len(plan.rows) for plan in plans])
    rows = np.concatenate([plan.rows for plan in plans])
    labels = annotations.labels[rows]
    packed_keys = np.array(keys, dtype=np.bytes_)[rows]
    arrays = {"index.npy": index, "labels.npy": labels, "keys.npy": packed_keys}
    entries = tuple(
        ShardEntry(name=f"{plan.name}.tar", split=SPLITS[plan.split], samples=len(plan.rows), bytes=result.num_bytes, sha256=result.sha256)
        for plan, result in zip(plans, packed, strict=True)
    )
    _write_wids(options.out, entries, packed)
    return Manifest(
        format_version=FORMAT_VERSION,
        attributes=annotations.attributes,
        seed=options.seed,
        tool_version=version("dropstream"),
        source_digest=_source_digest(annotations.attributes, packed_keys, labels, index),
        shards=entries,
        arrays={name: write_array(options.out / name, array) for name, array in arrays.items()},
    )


def _write_wids(folder: Path, entries: Sequence[ShardEntry], packed: Sequence[PackedShard]) -> None:
    """Write `wids.json`, by which webdataset's indexed reader (wids) finds the shards."""
    shardlist = [
        {"url": entry.name, "md5sum": result.md5, "nsamples": entry.samples, "filesize": entry.bytes}
        for entry, result in zip(entries, packed, strict=True)
    ]
    with atomic_write(folder / "wids.json") as file:
        file.write(json.dumps({"wids_version": 1, "name": folder.resolve().name, "shardlist": shardlist}, indent=1).encode())


def _source_digest(attributes: Sequence[str], keys: NDArray[np.bytes_], labels: NDArray[np.int8], index: NDArray[np.void]) -> str:
    order = np.argsort(keys, kind="stable")
    digest = hashlib.sha256("\n".join(attributes).encode())
    for column in (keys, labels, index["split"], index["crc32"], index["size"]):
        digest.update(np.ascontiguousarray(column[order]).tobytes())
    return digest.hexdigest()


def _print_summary(folder: Path, manifest: Manifest, seconds: float) -> None:
    num_samples = sum(shard.samples for shard in manifest.shards)
    num_bytes = sum(shard.bytes for shard in manifest.shards)
    counts = ", ".join(f"{split} {manifest.num_samples(split):,}" for split in SPLITS)
    print(
        f"{folder}: {num_samples:,} samples ({counts}) in {len(manifest.shards)} shards, {num_bytes / 1e6:,.1f} MB, "
        f"{seconds:.1f} s, {num_samples / seconds:,.0f} images/s"
    )
