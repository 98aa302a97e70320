"""A folder that holds a data set already: is it the very one that is asked for?"""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.errors import ConfigurationError, DataError
from shards.files import probe
from shards.image.check import read_header
from shards.image.header import BadImageError
from shards.manifest import MANIFEST, Manifest, Resized, parse_manifest
from shards.packing.job import NOTES, as_packed
from shards.packing.keys import shown
from shards.packing.options import PackOptions
from shards.packing.output import sweep
from shards.packing.plan import ShardPlan
from shards.packing.quarantine import QUARANTINE, quarantined_files
from shards.packing.source import Source
from shards.packing.summary import SUMMARY
from shards.storage.folder import Folder
from shards.storage.opening import open_images

_READ_IMAGES = 64
_OTHER = {"keys.npy": "other images, or another order", "labels.npy": "other labels"}


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
    left_out = quarantined_files(out) if QUARANTINE in sizes else np.array([], "S1")
    if len(left_out) and options.on_bad_image == "fail":
        raise ConfigurationError(
            f"--out {out.url}: holds a data set already, from which {len(left_out):,} images were left out ({QUARANTINE} lists them); "
            "add --on-bad-image quarantine, or name another folder"
        )
    rows = np.concatenate([plan.rows for plan in plans])
    # By file and not by key: `a.jpg` may be packed and `a.jpeg`, which no row names, left out.
    is_kept = ~np.isin(source.files[rows], left_out)
    counts = [int(part.sum()) for part in np.split(is_kept, np.cumsum([len(plan.rows) for plan in plans])[:-1])]
    difference = "--no-resume was given" if not options.resume else _difference(manifest, options, source, counts)
    difference = difference or _array_difference(out, manifest, source, rows[is_kept])
    difference = difference or _image_difference(out, options, source, rows[is_kept], sizes)
    if difference:
        raise ConfigurationError(f"--out {out.url}: holds a data set already ({difference}); remove it or name another folder")
    # Killed between its last steps, a packing leaves its notes and its scratch.
    for name in sizes:
        if name.startswith(f"{NOTES}/"):
            out.remove(name)
    sweep(out)
    rest = f"{len(left_out):,} images are in its {QUARANTINE}, remove the folder to try them again" if len(left_out) else "nothing to do"
    return f"{out.url}: is packed already, from these images and labels; {rest}"


def _check_files(out: Folder, manifest: Manifest, sizes: Mapping[str, int]) -> None:
    """Refuse a data set of which a file was lost or cut."""
    for name, size in manifest.file_sizes().items():
        if name not in sizes:
            raise DataError(f"{out.url}/{name}: is missing; restore it, or remove the folder and pack again")
        if size not in (None, sizes[name]):
            raise DataError(
                f"{out.url}/{name}: has {sizes[name]} bytes, the manifest says {size}; restore it, or remove the folder and pack again"
            )


def _difference(manifest: Manifest, options: PackOptions, source: Source, counts: Sequence[int]) -> str:
    """Return in what the manifest differs from what is asked for; nothing if in nothing."""
    if manifest.seed != options.seed:
        return f"seed {manifest.seed}, not {options.seed}"
    if manifest.resized != (wanted := options.resized()):
        return f"images {_how(manifest.resized)}, not {_how(wanted)}"
    if manifest.attributes != source.attributes:
        return f"attributes {', '.join(manifest.attributes[:3])}, …, not {', '.join(source.attributes[:3])}, …"
    there = [shard.samples for shard in manifest.shards]
    # A shard all of whose images were bad is not there.
    if there != [count for count in counts if count]:
        return f"{sum(there)} samples in {len(there)} shards"
    return ""


def _how(resized: Resized | None) -> str:
    return "as they were" if resized is None else f"resized to {resized.side} at quality {resized.quality} by {resized.encoder}"


def _array_difference(out: Folder, manifest: Manifest, source: Source, rows: NDArray[np.int64]) -> str:
    for file, column in (("keys.npy", source.keys), ("labels.npy", source.labels), ("index.npy", source.sizes)):
        if file == "index.npy" and manifest.resized is not None:
            # Only the sizes of what was made of the images are known.
            continue
        with out.fetch(file) as path:
            if probe(path) != manifest.files[file].probe_sha256:
                raise DataError(
                    f"{out.url}/{file}: is not the file that the manifest means; restore it, or remove the folder and pack again"
                )
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            there = array["size"] if file == "index.npy" else array
            if not np.array_equal(there, column[rows]):
                return _OTHER.get(file) or _other_size(source, rows, there)
    return ""


def _other_size(source: Source, rows: NDArray[np.int64], sizes: NDArray[np.uint32]) -> str:
    first = int(np.flatnonzero(sizes != source.sizes[rows])[0])
    return f"{shown(source.files[rows[first]])} of {sizes[first]:,} bytes, which has {source.sizes[rows[first]]:,} now"


def _image_difference(out: Folder, options: PackOptions, source: Source, rows: NDArray[np.int64], sizes: Mapping[str, int]) -> str:
    """Return what the summary of the packing tells; where images were touched since, compare their bytes."""
    summary = _read_summary(out) if SUMMARY in sizes else {}
    if options.check == "decode" and summary.get("options", {}).get("check") == "header":
        return "packed with --check header"
    if summary.get("source_versions") == source.versions_digest(rows):
        return ""
    with out.fetch("index.npy") as path:
        checksums = np.load(path, mmap_mode="r", allow_pickle=False)["crc32"].tolist()
    names = [name.decode("utf-8", "surrogateescape") for name in source.files[rows].tolist()]
    folder = open_images(options.images, names)
    for start in range(0, len(names), _READ_IMAGES):
        part = slice(start, start + _READ_IMAGES)
        for name, image, checksum in zip(names[part], folder.read_many(names[part]), checksums[part], strict=True):
            if _checksum(image, options.resized()) != checksum:
                return f"{name} has changed"
    return ""


def _checksum(image: bytes, resized: Resized | None) -> int | None:
    """Return the CRC-32 of what would be packed of an image, None if it would be refused."""
    try:
        return zlib.crc32(image if resized is None else as_packed(image, read_header(image), resized)[0])
    except BadImageError:
        return None


def _read_summary(out: Folder) -> dict[str, Any]:
    try:
        summary = json.loads(next(out.read_many([SUMMARY])))
    except ValueError:
        return {}
    return summary if isinstance(summary, dict) and isinstance(summary.get("options"), dict) else {}
