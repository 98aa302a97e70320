"""`manifest.json`: what a data set consists of. A folder without it is not a data set; a shard not in it does not exist."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shards.annotations import SPLITS
from shards.characters import MISLEADING
from shards.errors import DataError

MANIFEST = "manifest.json"
ARRAYS = ("index.npy", "labels.npy", "keys.npy")
WIDS = "wids.json"
FORMAT_VERSIONS = (1, 2)
"""Those that are read. The second came with PNGs and resized images; a set without either is written in the first, as before."""
_CHECKSUM = "checksum"
"""The last field of the file: SHA-256 of the others, so that an edit by hand (attributes in another order, say) is seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardEntry:
    """One tar file and the DALI index beside it."""

    name: str
    """File name, `train-000000.tar`."""
    split: str
    """`train`, `val` or `test`."""
    samples: int
    """Samples in it."""
    bytes: int
    """Size of the tar."""
    sha256: str
    """Hash of the tar, hexadecimal."""
    index_sha256: str
    """Hash of the `.idx` file beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEntry:
    """A file that belongs to the data set and is not a shard."""

    bytes: int
    """Size."""
    sha256: str
    """Hash of the whole file, hexadecimal."""
    probe_sha256: str
    """Hash of a few of its pages, see `shards.files.probe`: what can be looked at whenever the data set is opened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resized:
    """How the packing made smaller JPEGs of the images."""

    side: int
    """Pixels of the shorter side, unless the image was smaller."""
    quality: int
    """Of the JPEGs, 1 to 100."""
    encoder: str
    """Library and version: another one may give other bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The whole data set."""

    format_version: int
    """Version of the shard format."""
    attributes: tuple[str, ...]
    """Attribute names, in the order of the label columns."""
    seed: int | None
    """Seed of the splits and of the order of samples; None where the manifest was made anew from the tars."""
    tool_version: str
    """Dropstream's version that wrote it."""
    source_digest: str
    """SHA-256 over all keys, labels, splits and image checksums, in sorted key order: it does not depend on the order of the samples."""
    shards: tuple[ShardEntry, ...]
    """The shards; a shard's number in `index.npy` is its position here."""
    files: dict[str, FileEntry]
    """`index.npy`, `labels.npy`, `keys.npy` and `wids.json`."""
    resized: Resized | None = None
    """What was made of the images; None if they are the source's own bytes, or if nobody knows any more."""

    def num_samples(self, split: str) -> int:
        """Return the number of samples of a split."""
        return sum(shard.samples for shard in self.shards if shard.split == split)

    def file_sizes(self) -> dict[str, int | None]:
        """Return the name of every file of the data set but this one -> its bytes; None for an `.idx`, whose hash alone is kept."""
        sizes: dict[str, int | None] = {shard.name: shard.bytes for shard in self.shards}
        sizes |= {f"{shard.name.removesuffix('.tar')}.idx": None for shard in self.shards}
        return sizes | {name: file.bytes for name, file in self.files.items()}


def format_version(*, has_png: bool, resized: Resized | None) -> int:
    """Return the version of the format that a data set needs."""
    return 2 if has_png or resized is not None else 1


def dump_manifest(manifest: Manifest) -> str:
    """Return the manifest as JSON text."""
    fields = {name: value for name, value in dataclasses.asdict(manifest).items() if name != "resized" or value is not None}
    return json.dumps(fields | {_CHECKSUM: _checksum(fields)}, indent=1) + "\n"


def load_manifest(folder: Path) -> Manifest:
    """Read a data set's manifest.

    Raises:
        DataError: There is none, it is damaged or edited, or it is of another format version.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{folder}: is not a data set (no {MANIFEST}); make one with tools/make_shards") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; restore it, or run tools/check_shards --rebuild-index") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_manifest(text, name=str(path))


def parse_manifest(text: str, *, name: str) -> Manifest:
    """Return the manifest that a JSON text holds.

    Args:
        text: The file's content.
        name: What the error message calls it.

    Raises:
        DataError: It is damaged or edited, or of another format version.
    """
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: is not JSON ({error}); restore it, or run tools/check_shards --rebuild-index") from error
    version = fields.get("format_version") if isinstance(fields, dict) else None
    # Of another type, True for example, it may be equal all the same.
    if type(version) is not int or version not in FORMAT_VERSIONS:
        versions = " and ".join(map(str, FORMAT_VERSIONS))
        raise DataError(f"{name}: has format version {version!r}, this program reads {versions}; pack the data set again")
    checksum = fields.pop(_CHECKSUM, None)
    try:
        is_whole = checksum == _checksum(fields)
    except RecursionError:
        # Nested almost too deeply to be read is too deep to be written.
        is_whole = False
    if not is_whole:
        raise DataError(f"{name}: was edited or damaged (its checksum is wrong); restore it, or run tools/check_shards --rebuild-index")
    try:
        entries = tuple(ShardEntry(**entry) for entry in fields["shards"])
        files = {file: FileEntry(**entry) for file, entry in fields["files"].items()}
        # A text, too, would make a tuple.
        names = tuple(fields["attributes"]) if isinstance(fields["attributes"], list) else ()
        resized = Resized(**fields["resized"]) if "resized" in fields else None
        known: dict[str, Any] = {**fields, "attributes": names, "shards": entries, "files": files, "resized": resized}
        manifest = Manifest(**known)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{name}: lacks or misnames a field ({error}); pack the data set again") from error
    # Before anything that it names is touched: whoever edits it can make the checksum anew.
    for defect in _defects(manifest):
        raise DataError(f"{name}: {defect}; restore it, or run tools/check_shards --rebuild-index")
    return manifest


def _defects(manifest: Manifest) -> Iterator[str]:
    wrong = [name for name, value in _texts(manifest) if not _is_text(value)]
    if wrong:
        yield f"gives no text as {wrong[0]}"
    numbers = dict.fromkeys(SPLITS, 0)
    last = 0
    for shard in manifest.shards:
        split = shard.split if shard.split in SPLITS else SPLITS[last]
        wanted = f"{split}-{numbers[split]:06d}.tar"
        if (shard.name, shard.split) != (wanted, split) or SPLITS.index(split) < last:
            yield f"names the shard {shard.name!r} of split {shard.split!r} where {wanted} or the next split's first belongs"
        if not _are_counts(shard.samples, shard.bytes):
            yield f"says that {shard.name!r} has {shard.samples!r} samples and {shard.bytes!r} bytes, expected counts"
        numbers[split] += 1
        last = max(last, SPLITS.index(split))
    if sorted(manifest.files) != sorted((*ARRAYS, WIDS)):
        yield f"names the files {', '.join(map(repr, manifest.files))}, expected {', '.join((*ARRAYS, WIDS))}"
    for name in [name for name, file in manifest.files.items() if not _are_counts(file.bytes)]:
        yield f"gives no size of {name!r}"
    if manifest.resized and (manifest.format_version < 2 or not _are_counts(manifest.resized.side, manifest.resized.quality)):
        yield "says of its images what cannot be"
    if manifest.seed is not None and type(manifest.seed) is not int:
        yield f"has the seed {manifest.seed!r}, expected a whole number or none"
    yield from _misnamed(manifest.attributes)


def _misnamed(names: Sequence[str]) -> Iterator[str]:
    if not names or not all(_is_text(name) and name for name in names) or len(set(names)) != len(names):
        yield "its attributes are not a list of different names"
    elif misleading := next(filter(MISLEADING.search, names), None):
        yield f"its attribute {misleading[:60]!r} holds control characters"


def _texts(manifest: Manifest) -> Iterator[tuple[str, object]]:
    """Yield the fields that are texts, hashes above all, whatever they hold."""
    yield from (("tool_version", manifest.tool_version), ("source_digest", manifest.source_digest))
    for entry in (*manifest.shards, *manifest.files.values()):
        yield from ((name, getattr(entry, name)) for name in type(entry).__slots__ if name.endswith("sha256"))
    if manifest.resized:
        yield "encoder", manifest.resized.encoder


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON has halves of characters, of which nothing can be made.
        return False
    return True


def _are_counts(*values: object) -> bool:
    return all(type(value) is int and value >= 0 for value in values)


def _checksum(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
