"""The folder that is packed into: before, when it is finished already, and after the last shard."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shards.arrays import Arrays, new_arrays, publish
from shards.errors import ConfigurationError, DataError
from shards.files import TEMPORARY, probe
from shards.manifest import ARRAYS, MANIFEST, WIDS, Manifest, parse_manifest
from shards.packing.job import NOTES, PackedShard, read_rows
from shards.packing.options import PackOptions
from shards.packing.plan import ShardPlan
from shards.packing.quarantine import QUARANTINE, quarantine_csv, quarantined_files
from shards.packing.source import Source
from shards.packing.summary import SUMMARY, Summary, summarise, summary_json
from shards.storage.folder import SCRATCH, Folder
from shards.storage.lock import LOCK

_MARKER = f"{NOTES}/begun"
"""File that tells a folder in which packing has begun from a folder of somebody else's."""

_SHARD_FILE = re.compile(rf"({re.escape(NOTES)}/)?(?P<shard>(train|val|test)-\d{{6}})\.(tar|idx|npy|json)")
_OTHER_FILES = {*ARRAYS, WIDS, QUARANTINE, SUMMARY, _MARKER}


def describe_finished(out: Folder, options: PackOptions, source: Source, plans: Sequence[ShardPlan]) -> str:
    """Return a line on the data set in the folder if it is the very one that these plans would make, nothing if there is none.

    Raises:
        ConfigurationError: It holds another one, or `--no-resume` was asked for.
        DataError: It holds one that is damaged.
    """
    sizes = {info.name: info.size for info in out.list()}
    if MANIFEST not in sizes:
        return ""
    manifest = parse_manifest(next(out.read_many([MANIFEST])).decode("utf-8", "replace"), name=f"{out.url}/{MANIFEST}")
    _check_files(out, manifest, sizes)
    left_out = quarantined_files(out) if options.on_bad_image == "quarantine" and QUARANTINE in sizes else np.array([], "S1")
    difference = "--no-resume was given" if not options.resume else _difference(out, manifest, options, source, plans, left_out)
    if difference:
        raise ConfigurationError(f"--out {out.url}: holds a data set already ({difference}); remove it or name another folder")
    # Killed between its last two steps, a packing leaves its notes.
    for name in sizes:
        if name.startswith(f"{NOTES}/"):
            out.remove(name)
    hint = (
        f"; {len(left_out):,} images are in its {QUARANTINE}, remove the folder to try them again" if len(left_out) else "; nothing to do"
    )
    return f"{out.url}: is packed already, from these images and labels{hint}"


def prepare(out: Folder, plans: Sequence[ShardPlan], *, resume: bool) -> set[str]:
    """Mark the folder as ours, clear away what no plan wants and return the names of the shards that have a note.

    Raises:
        ConfigurationError: The folder holds files that no packing has written.
        DataError: The folder cannot be written.
    """
    names = [info.name for info in out.list() if info.name != LOCK]
    if names and _MARKER not in names:
        raise ConfigurationError(f"--out {out.url}: is not empty (holds {min(names)!r}); name another folder")
    with out.create(_MARKER):
        pass
    wanted = {plan.name for plan in plans} if resume else set()
    noted = set()
    for name in names:
        match = _SHARD_FILE.fullmatch(name)
        is_ours = match or name in _OTHER_FILES or _is_temporary(name)
        if match and match["shard"] in wanted:
            noted |= {match["shard"]} if name.endswith(".json") else set()
        elif is_ours and name != _MARKER:
            out.remove(name)
    return noted


def sweep(out: Folder) -> None:
    """Remove temporary files of workers that were killed."""
    for info in out.list():
        if _is_temporary(info.name):
            out.remove(info.name)


def finish(
    out: Folder, options: PackOptions, source: Source, plans: Sequence[ShardPlan], packed: Sequence[PackedShard], seconds: float
) -> Summary:
    """Write what stands beside the shards, the manifest last, and take the notes away.

    Raises:
        DataError: No image is left, or a file cannot be written.
    """
    # Machines that were lost in the middle of a shard leave temporary files, too.
    sweep(out)
    bad = sorted((*source.unmatched, *(bad for shard in packed for bad in shard.bad)), key=lambda image: image.file)
    num_samples = sum(shard.facts.samples for shard in packed)
    if not num_samples:
        raise DataError(f"{options.images}: none of the images can be packed; the first, {bad[0].file}: {bad[0].reason}")
    kept = [_kept_rows(source, plan, shard) for plan, shard in zip(plans, packed, strict=True)]
    # As wide as the longest key that was packed: the width is part of the file, and must not depend on what was left out.
    key_width = max(int(np.char.str_len(source.keys[rows]).max(initial=1)) for rows in kept)
    with new_arrays(out, num_samples, len(source.attributes), key_width) as arrays:
        _fill(arrays, out, source, kept, packed)
        summary = summarise(options, source.attributes, arrays, packed, len(bad), seconds)
        if options.on_bad_image == "quarantine":
            with out.create(QUARANTINE) as file:
                file.write(quarantine_csv(bad))
        with out.create(SUMMARY) as file:
            file.write(summary_json(summary))
        facts = [shard.facts for shard in packed]
        publish(out, arrays, facts, attributes=source.attributes, seed=options.seed)
    for plan in plans:
        for suffix in ("json", "npy"):
            out.remove(f"{NOTES}/{plan.name}.{suffix}")
    out.remove(_MARKER)
    return summary


def _is_temporary(name: str) -> bool:
    return bool(TEMPORARY.fullmatch(name.rpartition("/")[2])) or name.startswith(SCRATCH)


def _kept_rows(source: Source, plan: ShardPlan, shard: PackedShard) -> NDArray[np.int64]:
    if not shard.bad:
        return plan.rows
    return plan.rows[~np.isin(source.keys[plan.rows], np.array([bad.key for bad in shard.bad], np.bytes_))]


def _fill(arrays: Arrays, out: Folder, source: Source, kept: Sequence[NDArray[np.int64]], packed: Sequence[PackedShard]) -> None:
    start = 0
    for rows, shard in zip(kept, packed, strict=True):
        stop = start + len(rows)
        arrays.index[start:stop] = read_rows(out, shard.facts.name)
        arrays.labels[start:stop] = source.labels[rows]
        arrays.keys[start:stop] = source.keys[rows]
        start = stop


def _check_files(out: Folder, manifest: Manifest, sizes: Mapping[str, int]) -> None:
    """Refuse a data set of which a file was lost or cut."""
    wanted: dict[str, int | None] = {shard.name: shard.bytes for shard in manifest.shards}
    wanted |= {file: entry.bytes for file, entry in manifest.files.items()}
    wanted |= {f"{shard.name.removesuffix('.tar')}.idx": None for shard in manifest.shards}
    for name, size in wanted.items():
        if name not in sizes:
            raise DataError(f"{out.url}/{name}: is missing; restore it, or remove the folder and pack again")
        if size not in (None, sizes[name]):
            raise DataError(
                f"{out.url}/{name}: has {sizes[name]} bytes, the manifest says {size}; restore it, or remove the folder and pack again"
            )


def _difference(
    out: Folder, manifest: Manifest, options: PackOptions, source: Source, plans: Sequence[ShardPlan], left_out: NDArray[np.bytes_]
) -> str:
    """Return in what the data set that is there differs from the one that is asked for; nothing if in nothing."""
    if manifest.seed != options.seed:
        return f"seed {manifest.seed}, not {options.seed}"
    if manifest.attributes != source.attributes:
        return f"attributes {', '.join(manifest.attributes[:3])}, …, not {', '.join(source.attributes[:3])}, …"
    rows = np.concatenate([plan.rows for plan in plans])
    # By file and not by key: `a.jpg` may be packed and `a.jpeg`, which no row names, left out.
    kept = rows[~np.isin(source.files[rows], left_out)]
    if [f"{plan.name}.tar" for plan in plans] != [shard.name for shard in manifest.shards] or len(kept) != sum(
        shard.samples for shard in manifest.shards
    ):
        return f"{sum(shard.samples for shard in manifest.shards)} samples in {len(manifest.shards)} shards"
    for file, column, what in (
        ("keys.npy", source.keys, "other images, or another order"),
        ("labels.npy", source.labels, "other labels"),
        ("index.npy", source.sizes, "images of other sizes"),
    ):
        with out.fetch(file) as path:
            if probe(path) != manifest.files[file].probe_sha256:
                raise DataError(
                    f"{out.url}/{file}: is not the file that the manifest means; restore it, or remove the folder and pack again"
                )
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            there = array["size"] if file == "index.npy" else array
            if not np.array_equal(there, column[kept]):
                return what
    return ""
