"""The checks that are no single shard's: manifest, sizes, arrays, `wids.json`, and what all shards have to agree on."""

import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.arrays import ShardFacts, source_digest, wids_json
from shards.check.problems import Problems
from shards.files import sha256_of
from shards.manifest import ARRAYS, MANIFEST, WIDS, Manifest
from shards.packing.files_table import FILES
from shards.packing.quarantine import QUARANTINE
from shards.packing.summary import SUMMARY
from shards.storage.lock import LOCK
from shards.tar import INDEX_DTYPE

SHARD = re.compile(r"(?P<split>train|val|test)-(?P<number>[0-9]{6,})\.tar")
"""Name of a tar."""

_CHUNK = 1 << 20
_REBUILD = "restore it, or run tools/check_shards --rebuild-index"


def check_sizes(folder: Path, manifest: Manifest, problems: Problems) -> set[str]:
    """Compare the files' sizes with the manifest; return the names of those that can be opened."""
    readable = set()
    for name, wanted in manifest.file_sizes().items():
        try:
            facts = (folder / name).stat()
            # A pipe would be waited for.
            if not stat.S_ISREG(facts.st_mode):
                problems.add("is no plain file; the manifest lists it", file=name)
                continue
            (folder / name).open("rb").close()
        except OSError as error:
            problems.add(f"cannot be read ({error.strerror}); the manifest lists it", file=name)
            continue
        readable.add(name)
        if wanted is not None and facts.st_size != wanted:
            problems.add(f"has {facts.st_size:,} bytes, the manifest says {wanted:,}", file=name)
    return readable


def check_shapes(folder: Path, manifest: Manifest, readable: set[str], problems: Problems) -> bool:
    """Compare the heads of the arrays with what they have to be; return whether all of them can be used."""
    num_samples = sum(shard.samples for shard in manifest.shards)
    usable = True
    for name in ARRAYS:
        if name not in readable:
            usable = False
            continue
        path = folder / name
        columns = (len(manifest.attributes),) if name == "labels.npy" else ()
        size = path.stat().st_size
        dtype = {"index.npy": INDEX_DTYPE, "labels.npy": np.dtype(np.int8)}.get(name) or _key_dtype(size, num_samples)
        head = _array_head(dtype, (num_samples, *columns))
        with path.open("rb") as file:
            found = file.read(len(head))
        if found != head or size != len(head) + dtype.itemsize * num_samples * (columns or (1,))[0]:
            problems.add(f"is not an array of {num_samples:,} samples as this format version has it; {_REBUILD}", file=name)
            usable = False
    return usable


def check_counts(folder: Path, manifest: Manifest, problems: Problems) -> None:
    """Compare the number of samples of each shard in `index.npy` with the manifest."""
    shards = load(folder, "index.npy")["shard"]
    counts = np.zeros(len(manifest.shards) + 1, np.int64)
    for start in range(0, len(shards), _CHUNK):
        numbers = np.minimum(shards[start : start + _CHUNK], len(manifest.shards))
        counts += np.bincount(numbers, minlength=len(counts))
    for shard, count in zip(manifest.shards, counts.tolist(), strict=False):
        if shard.samples != count:
            problems.add(f"index.npy has {count:,} samples in it, the manifest says {shard.samples:,}; {_REBUILD}", file=shard.name)


def check_dali_heads(folder: Path, manifest: Manifest, readable: set[str], problems: Problems) -> None:
    """Compare the first line of each `.idx` with the manifest."""
    for shard in manifest.shards:
        path = (folder / shard.name).with_suffix(".idx")
        wanted = f"v1.2 {shard.samples}\n".encode()
        if path.name not in readable:
            continue
        with path.open("rb") as file:
            if file.read(len(wanted)) != wanted:
                problems.add(f"is not DALI's index of {shard.samples:,} samples; {_REBUILD}", file=path.name)


def check_hashes(folder: Path, manifest: Manifest, readable: set[str], problems: Problems) -> bool:
    """Hash the files that the manifest lists beside the shards; return whether all are the manifest's own.

    They are read and not mapped: on a bad disk that is an error, where a mapping kills the process. What cannot be read leaves `readable`.
    """
    num_sound = 0
    for name in [name for name in manifest.files if name in readable]:
        try:
            is_sound = sha256_of(folder / name) == manifest.files[name].sha256
        except OSError as error:
            problems.add(f"cannot be read ({error.strerror}); {_REBUILD}", file=name)
            readable.discard(name)
            continue
        num_sound += is_sound
        if not is_sound:
            problems.add(f"its SHA-256 is not the manifest's: it is damaged, stale or foreign; {_REBUILD}", file=name)
    return num_sound == len(manifest.files)


def check_samples(folder: Path, manifest: Manifest, problems: Problems) -> None:
    """Check what only all samples together tell: every key once, and the digest over attribute names, keys, labels and checksums."""
    index, labels, keys = (load(folder, name) for name in ARRAYS)
    order = np.argsort(keys, kind="stable")
    twice = order[1:][keys[order[1:]] == keys[order[:-1]]]
    for row in twice.tolist():
        number = int(np.minimum(index["shard"][row], len(manifest.shards) - 1))
        key = keys[row].decode("ascii", "backslashreplace")
        problems.add("is in the data set twice; this is the second", key=key, file=manifest.shards[number].name)
    if source_digest(manifest.attributes, keys, labels, index) != manifest.source_digest:
        problems.add(
            "its source digest is not that of its attribute names with these keys, labels and images: attributes in another order, or "
            "arrays of another data set; restore it",
            file=MANIFEST,
        )


def check_wids(folder: Path, manifest: Manifest, md5s: dict[str, str], problems: Problems) -> None:
    """Compare `wids.json` with the one that the shards give."""
    text = (folder / WIDS).read_text(encoding="utf-8", errors="replace")
    facts = [
        ShardFacts(name=s.name.removesuffix(".tar"), samples=s.samples, bytes=s.bytes, sha256=s.sha256, md5=md5s[s.name], index_sha256="")
        for s in manifest.shards
    ]
    if text != wids_json(facts, manifest.source_digest):
        problems.add(f"does not describe these shards; {_REBUILD}", file=WIDS)


def unknown_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield the names of files that neither the manifest nor a packing knows."""
    known = {MANIFEST, LOCK, QUARANTINE, FILES, SUMMARY, *manifest.files}
    for shard in manifest.shards:
        known |= {shard.name, Path(shard.name).with_suffix(".idx").name}
    yield from sorted(set(os.listdir(folder)) - known)


def load(folder: Path, name: str) -> NDArray[Any]:
    """Map an array whose head has been checked."""
    return np.load(folder / name, mmap_mode="r", allow_pickle=False)


def _key_dtype(size: int, num_samples: int) -> np.dtype[np.bytes_]:
    head = len(_array_head(np.dtype("S1"), (num_samples,)))
    return np.dtype(f"S{max((size - head) // max(num_samples, 1), 1)}")


def _array_head(dtype: np.dtype[Any], shape: Sequence[int]) -> bytes:
    head = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(head, fields)
    return head.getvalue()
