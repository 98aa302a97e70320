"""`manifest.json`: what a data set consists of. A folder without it is not a data set; a shard not in it does not exist."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shards.errors import DataError

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardEntry:
    """One tar file."""

    name: str
    """File name, `train-000000.tar`."""
    split: str
    """`train`, `val` or `test`."""
    samples: int
    """Samples in it."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Hash of the file, hexadecimal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The whole data set."""

    format_version: int
    """Version of the shard format."""
    attributes: tuple[str, ...]
    """Attribute names, in the order of the label columns."""
    seed: int
    """Seed of the splits and of the order of samples."""
    tool_version: str
    """Dropstream's version that wrote it."""
    source_digest: str
    """SHA-256 over all keys, labels, splits and image checksums, in sorted key order: equal for equal sources, whatever the seed."""
    shards: tuple[ShardEntry, ...]
    """The shards; a shard's number in `index.npy` is its position here."""
    arrays: dict[str, str]
    """File name of each array -> its SHA-256."""

    def num_samples(self, split: str) -> int:
        """Return the number of samples of a split."""
        return sum(shard.samples for shard in self.shards if shard.split == split)


def dump_manifest(manifest: Manifest) -> str:
    """Return the manifest as JSON text."""
    return json.dumps(dataclasses.asdict(manifest), indent=1) + "\n"


def load_manifest(folder: Path) -> Manifest:
    """Read a data set's manifest.

    Raises:
        DataError: There is none, it is damaged, or it is of another format version.
    """
    path = folder / MANIFEST
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{folder}: is not a data set (no {MANIFEST}); make one with tools/make_shards") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({error}); pack the data set again") from error
    version = fields.get("format_version") if isinstance(fields, dict) else None
    if version != FORMAT_VERSION:
        raise DataError(f"{path}: has format version {version!r}, this program reads {FORMAT_VERSION}; pack the data set again")
    try:
        entries = tuple(ShardEntry(**entry) for entry in fields["shards"])
        known: dict[str, Any] = {**fields, "attributes": tuple(fields["attributes"]), "shards": entries}
        return Manifest(**known)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: lacks or misnames a field ({error}); pack the data set again") from error
