"""Packed data sets: manifest, arrays and tars, with every hash made anew, as somebody does who wants the damage to pass."""

import contextlib
import hashlib
import io
import json
import shutil
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np

from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.fingerprint import data_set_in_words
from engine.pipeline.source import ByteSource
from shards.arrays import ShardFacts, new_arrays, publish
from shards.check.command import CheckOptions, check_shards
from shards.check.contents import read_contents
from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.files import probe
from shards.image.check import read_header
from shards.manifest import _checksum, parse_manifest
from shards.storage.local_folder import LocalFolder
from shards.tar import ShardFile, label_bytes
from tests.fuzz.images import jpegs, pngs
from tests.fuzz.mutate import any_bytes, json_text, npy, tar
from tests.fuzz.target import Target, in_parts, join, split, work_folder, written

_FILES = ("manifest.json", "index.npy", "labels.npy", "keys.npy", "wids.json", "train-000000.tar", "train-000000.idx")
_MOST_ROWS = 100
_ATTRIBUTES = ("Bald", "Male", "Young")


@cache
def _packed() -> list[bytes]:
    """Return the files of a small data set."""
    folder = work_folder() / "packed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pictures = [jpegs()[0], pngs()[0], jpegs()[3]]
    labels = np.array([[1, 0, -1], [0, 0, 1], [1, 1, 1]], np.int8)
    keys = ("000001", "b", "c")
    with (folder / "train-000000.tar").open("wb") as file:
        shard = ShardFile(file)
        for key, picture, row in zip(keys, pictures, labels, strict=True):
            shard.add(key, picture, label_bytes(row), read_header(picture))
        shard.finish()
    (folder / "train-000000.idx").write_bytes(shard.dali_index())
    with new_arrays(LocalFolder(str(folder)), len(keys), len(_ATTRIBUTES), 6) as arrays:
        arrays.index[:], arrays.labels[:], arrays.keys[:] = shard.rows(), labels, keys
        facts = ShardFacts(
            name="train-000000",
            samples=len(keys),
            bytes=shard.size,
            sha256=shard.sha256.hexdigest(),
            md5=shard.md5.hexdigest(),
            index_sha256=hashlib.sha256(shard.dali_index()).hexdigest(),
            pngs=shard.pngs,
        )
        publish(LocalFolder(str(folder)), arrays, [facts], attributes=_ATTRIBUTES, seed=0)
    return [(folder / name).read_bytes() for name in _FILES]


def sealed(text: bytes) -> bytes:
    """Return a manifest with the checksum that it should have."""
    try:
        fields = json.loads(text)
        fields.pop("checksum", None)
        return json.dumps(fields | {"checksum": _checksum(fields)}).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return text


def _parse_manifest(data: bytes) -> None:
    parse_manifest(sealed(data).decode("utf-8", "replace"), name="manifest.json").file_sizes()


def _fitted(text: bytes, folder: Path) -> bytes:
    """Return a manifest whose sizes and hashes are those of the files that are there."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        fields = json.loads(text)
        for name, entry in fields["files"].items():
            path = folder / Path(name).name
            if path.is_file():
                data = path.read_bytes()
                entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "probe_sha256": probe(path)}
        tar_data, index = ((folder / name).read_bytes() for name in _FILES[-2:])
        fields["shards"][0] |= {
            "bytes": len(tar_data),
            "sha256": hashlib.sha256(tar_data).hexdigest(),
            "index_sha256": hashlib.sha256(index).hexdigest(),
        }
        text = json.dumps(fields).encode()
    return sealed(text)


def _open_dataset(data: bytes) -> None:
    folder = work_folder() / "dataset"
    manifest, *others = split(data, len(_FILES))
    for name, content in zip(_FILES[1:], others, strict=True):
        written(f"dataset/{name}", content)
    written("dataset/manifest.json", _fitted(manifest, folder))
    refusals = []
    for read in (_check, _use):
        try:
            read(folder)
        except DataError as error:
            refusals.append(error)
    for refusal in refusals:
        raise refusal


def _check(folder: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        check_shards(CheckOptions(folder=str(folder), fast=True))
        check_shards(CheckOptions(folder=str(folder), workers=1))


def _use(folder: Path) -> None:
    dataset = ShardDataset(folder)
    dataset.verify_arrays()
    for split_name in ("train", "val", "test"):
        dataset.split_range(split_name)
    data_set_in_words(dataset)
    ids = np.arange(min(len(dataset), _MOST_ROWS))
    for sample_id in ids.tolist():
        dataset.key(sample_id)
    # Damaged samples are taken note of, and black images take their place.
    with closing(ByteSource(dataset, check_crc=True, bad_samples=BadSamples(dataset, budget=len(ids)))) as source:
        source.advise(ids)
        if len(ids):
            source.read(ids)


def _walk(data: bytes) -> None:
    read_contents(data, len(_ATTRIBUTES), decode=False, advance=lambda *_: None)


TARGETS = {
    "manifest": Target(run=_parse_manifest, seeds=lambda: [_packed()[0]], mutate=json_text),
    "tar": Target(run=_walk, seeds=lambda: [_packed()[5]], mutate=tar, allowed=()),
    "dataset": Target(
        run=_open_dataset,
        seeds=lambda: [join(_packed())],
        mutate=in_parts(json_text, npy, npy, npy, json_text, tar, any_bytes),
        rehearsals=150,
        max_bytes=1 << 15,
    ),
}
