"""The folder that is packed into: before, when it is finished already, and after the last shard."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shards.arrays import Arrays, ShardFacts, new_arrays, publish
from shards.errors import ConfigurationError, DataError
from shards.files import TEMPORARY
from shards.manifest import ARRAYS, MANIFEST, WIDS
from shards.packing.files_table import FILES, write_files
from shards.packing.job import NOTES, PackedShard, read_rows
from shards.packing.options import PackOptions
from shards.packing.plan import ShardPlan
from shards.packing.quarantine import QUARANTINE, quarantine_csv
from shards.packing.source import Source
from shards.packing.summary import SUMMARY, Summary, summarise, summary_json
from shards.storage.folder import SCRATCH, Folder, is_url
from shards.storage.lock import LOCK

_MARKER = f"{NOTES}/begun"
"""File that tells a folder in which packing has begun from a folder of somebody else's."""

_SHARD_FILE = re.compile(rf"({re.escape(NOTES)}/)?(?P<shard>(train|val|test)-\d{{6,}})\.(tar|idx|npy|json)")
_OTHER_FILES = {*ARRAYS, WIDS, QUARANTINE, FILES, SUMMARY, _MARKER}


def check_free(out: Folder) -> None:
    """Refuse a folder of somebody else's before much time goes into looking at the images.

    Raises:
        ConfigurationError: It holds files that no packing has written, or is no folder.
        DataError: A store cannot be reached.
    """
    try:
        names = [info.name for info in out.list() if info.name != LOCK and not _is_temporary(info.name)]
    except DataError as error:
        if is_url(out.url):
            raise
        raise ConfigurationError(f"--out {error}; name a folder to write into") from error
    if names and _MARKER not in names and MANIFEST not in names:
        raise ConfigurationError(f"--out {out.url}: is not empty (holds {min(names)!r}); name another folder")


def prepare(out: Folder, plans: Sequence[ShardPlan], *, resume: bool) -> set[str]:
    """Mark the folder as ours, clear away what no plan wants and return the names of the shards that have a note.

    Raises:
        ConfigurationError: The folder holds files that no packing has written.
        DataError: The folder cannot be written.
    """
    check_free(out)
    sweep(out)
    names = [info.name for info in out.list() if info.name != LOCK]
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
    out.remove_empty_folders((SCRATCH, NOTES))


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
        summary = summarise(options, source.attributes, arrays, packed, bad, seconds)
        summary = dataclasses.replace(
            summary, source_versions=source.versions_digest(np.concatenate(kept)), key_column=source.key_column, notes=source.notes
        )
        if options.on_bad_image == "quarantine":
            with out.create(QUARANTINE) as file:
                file.write(quarantine_csv(bad))
        if write_files(out, source, kept):
            summary = dataclasses.replace(summary, notes=(*summary.notes, f"keys are not the files' names: {FILES} has both"))
        with out.create(SUMMARY) as file:
            file.write(summary_json(summary))
        facts = list(_close_ranks(out, [shard.facts for shard in packed]))
        publish(out, arrays, facts, attributes=source.attributes, seed=options.seed, resized=options.resized())
    for plan in plans:
        for suffix in ("json", "npy"):
            out.remove(f"{NOTES}/{plan.name}.{suffix}")
    out.remove(_MARKER)
    return summary


def _is_temporary(name: str) -> bool:
    return bool(TEMPORARY.fullmatch(name.rpartition("/")[2])) or name.startswith(SCRATCH)


def _close_ranks(out: Folder, shards: Sequence[ShardFacts]) -> Iterator[ShardFacts]:
    """Drop shards all of whose images are bad, which no reader takes, and number those behind them anew."""
    numbers: Counter[str] = Counter()
    for shard in shards:
        name = f"{shard.split}-{numbers[shard.split]:06d}"
        for suffix in ("tar", "idx"):
            if not shard.samples:
                out.remove(f"{shard.name}.{suffix}")
            elif name != shard.name:
                out.rename(f"{shard.name}.{suffix}", f"{name}.{suffix}")
        if shard.samples:
            numbers[shard.split] += 1
            yield dataclasses.replace(shard, name=name)


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
