"""Packing one shard: the unit of work, on whatever machine it is done, and the note of it by which an interrupted packing goes on."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shards.arrays import ShardFacts
from shards.errors import DataError
from shards.files import sha256_of
from shards.image.check import check_image
from shards.image.header import MAX_BYTES, BadImageError, ImageHeader
from shards.manifest import Resized
from shards.storage.folder import Files, Folder, UnreadableFileError
from shards.storage.opening import open_folder, open_images
from shards.tar import ShardFile, label_bytes

NOTES = ".parts"
"""Folder inside the output that holds a note of each finished shard, until all are."""

_READ_BYTES = 16 * 2**20
_READ_IMAGES = 64

Advance = Callable[[int, int, int], None]
"""Takes the images, bytes and bad images that are done since the last call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardJob:
    """All that is needed to write one shard, without a look at anything but the images."""

    name: str
    """`train-000000`, without a suffix."""
    images: str
    """Folder of the images."""
    out: str
    """Folder of the shards."""
    files: NDArray[np.bytes_]
    """[samples] image files, in the order in which they are packed."""
    keys: NDArray[np.bytes_]
    """[samples]."""
    labels: NDArray[np.int8]
    """[samples, A]."""
    sizes: NDArray[np.int64]
    """[samples] bytes of each image as it was listed."""
    versions: NDArray[np.uint32]
    """[samples]: changes when an image may have changed."""
    check: Literal["header", "decode"]
    """How far an image is looked at before it is packed."""
    quarantine: bool
    """Leave bad images out and report them; else the first one is an error."""
    resized: Resized | None = None
    """What is made of the images; None packs them as they are."""

    def digest(self) -> str:
        """Return a hash of everything that decides the shard's bytes: equal for a shard that need not be packed again."""
        digest = hashlib.sha256(f"{self.name} {self.check} {self.quarantine} {self.labels.shape} {self.resized}".encode())
        for names in (self.files, self.keys):
            digest.update(b"\0".join(names.tolist()))
        for column in (self.labels, self.sizes, self.versions):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class BadImage:
    """An image, or a row, that was left out."""

    key: str
    """Its key."""
    file: str
    """Its file, relative to the folder of images."""
    reason: str
    """Why, and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedShard:
    """What came of a job. The rows of the index lie in the shard's note, so that the caller's memory does not grow with them."""

    facts: ShardFacts
    """The shard."""
    bad: tuple[BadImage, ...]
    """What was left out of it."""
    image_bytes: int
    """Bytes of the images in it."""
    resumed: bool
    """It had been packed before and was found whole."""


def pack_shard(job: ShardJob, advance: Advance, *, has_note: bool) -> PackedShard:
    """Write a shard, its DALI index and its note, each under its final name only when whole; or keep what is there already.

    Args:
        job: What to pack.
        advance: Told of the progress.
        has_note: Whether an earlier packing left a note of this shard.

    Raises:
        DataError: An image cannot be read, or is bad and there is no quarantine; or the output cannot be written.
    """
    if job.resized is not None:
        _check_encoder(job.resized.encoder)
    out = open_folder(job.out)
    digest = job.digest()
    if has_note and (kept := _keep(job, digest, out)):
        advance(len(job.files), kept.image_bytes, len(kept.bad))
        return kept
    bad: list[BadImage] = []
    with out.create(f"{job.name}.tar") as file:
        shard = ShardFile(file)
        for position, image in _images(job):
            checked = _checked(job, position, image)
            if isinstance(checked, BadImage):
                bad.append(checked)
            else:
                shard.add(job.keys[position].decode("ascii"), checked[0], label_bytes(job.labels[position]), checked[1])
            advance(1, len(image), isinstance(checked, BadImage))
        shard.finish()
    rows, dali_index = shard.rows(), shard.dali_index()
    with out.create(f"{job.name}.idx") as file:
        file.write(dali_index)
    facts = ShardFacts(
        name=job.name,
        samples=len(rows),
        pngs=shard.pngs,
        bytes=shard.size,
        sha256=shard.sha256.hexdigest(),
        md5=shard.md5.hexdigest(),
        index_sha256=hashlib.sha256(dali_index).hexdigest(),
    )
    packed = PackedShard(facts=facts, bad=tuple(bad), image_bytes=int(rows["size"].sum()), resumed=False)
    _write_note(out, digest, packed, rows)
    return packed


def _check_encoder(wanted: str) -> None:
    from shards.image.resize import encoder

    if encoder() != wanted:
        raise DataError(f"--resize: this machine has {encoder()}, and the one that packs {wanted}; install the same on all")


def read_rows(out: Folder, name: str) -> NDArray[np.void]:
    """Return the index rows of a finished shard: [samples] of INDEX_DTYPE, `shard` and `split` still 0."""
    (data,) = out.read_many([f"{NOTES}/{name}.npy"])
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _images(job: ShardJob) -> Iterator[tuple[int, bytes | str]]:
    """Yield each image's position and its bytes, or why it was not read. Of a few at a time, for where they come over a network."""
    folder = open_images(job.images, [name.decode("utf-8", "surrogateescape") for name in job.files.tolist()])
    pending: list[int] = []
    num_bytes = 0
    for position, size in enumerate(job.sizes.tolist()):
        if size > MAX_BYTES:
            yield position, f"has {size} bytes, more than {MAX_BYTES}; shrink it before packing"
            continue
        if pending and (len(pending) == _READ_IMAGES or num_bytes + size > _READ_BYTES):
            yield from _read(folder, job, pending)
            pending, num_bytes = [], 0
        pending.append(position)
        num_bytes += size
    if pending:
        yield from _read(folder, job, pending)


def _read(folder: Files, job: ShardJob, positions: list[int]) -> Iterator[tuple[int, bytes | str]]:
    names = [name.decode("utf-8", "surrogateescape") for name in job.files[positions].tolist()]
    done = 0
    while done < len(names):
        try:
            for image in folder.read_many(names[done:]):
                yield positions[done], image
                done += 1
        except UnreadableFileError as error:
            # It vanished since the folder was listed, or may not be read; the others are read all the same.
            yield positions[done], f"cannot be read ({error})"
            done += 1


def _checked(job: ShardJob, position: int, image: bytes | str) -> tuple[bytes, ImageHeader] | BadImage:
    if isinstance(image, str):
        return _bad(job, position, image)
    try:
        return as_packed(image, check_image(image, decode=job.check == "decode"), job.resized)
    except BadImageError as error:
        return _bad(job, position, str(error))


def as_packed(image: bytes, header: ImageHeader, resized: Resized | None) -> tuple[bytes, ImageHeader]:
    """Return the bytes that are packed of an image that was checked, and their header.

    Raises:
        BadImageError: It has to be decoded for that, and cannot be.
    """
    if resized is None:
        return image, header
    # Imported here: Pillow takes a while, and few need it.
    from shards.image.resize import shrink

    return shrink(image, header, side=resized.side, quality=resized.quality)


def _bad(job: ShardJob, position: int, reason: str) -> BadImage:
    file = job.files[position].decode("utf-8", "backslashreplace")
    if not job.quarantine:
        raise DataError(f"{job.images.rstrip('/')}/{file}: {reason} (--on-bad-image quarantine packs the rest)")
    return BadImage(key=job.keys[position].decode("ascii"), file=file, reason=reason)


def _keep(job: ShardJob, digest: str, out: Folder) -> PackedShard | None:
    """Return an earlier packing's result if it is what this job would write, its files are whole and its note is sound."""
    try:
        data, rows = out.read_many([f"{NOTES}/{job.name}.json", f"{NOTES}/{job.name}.npy"])
        note = json.loads(data)
        if note.pop("digest") != digest or note.pop("checksum") != _checksum(note, rows):
            return None
        facts = ShardFacts(**note.pop("facts"))
        kept = PackedShard(**note | {"facts": facts, "bad": tuple(BadImage(**bad) for bad in note["bad"]), "resumed": True})
        with out.fetch(f"{job.name}.tar") as tar, out.fetch(f"{job.name}.idx") as dali_index:
            whole = tar.stat().st_size == facts.bytes and sha256_of(tar) == facts.sha256 and sha256_of(dali_index) == facts.index_sha256
        return kept if whole else None
    except (DataError, ValueError, KeyError, TypeError, AttributeError):
        # Whatever is wrong with what is there, packing it again mends it.
        return None


def _write_note(out: Folder, digest: str, packed: PackedShard, rows: NDArray[np.void]) -> None:
    array = io.BytesIO()
    np.lib.format.write_array(array, rows, version=(1, 0), allow_pickle=False)
    note = dataclasses.asdict(packed)
    checksum = _checksum(note, array.getvalue())
    # The rows first: the note says that they are there.
    with out.create(f"{NOTES}/{packed.facts.name}.npy") as file:
        file.write(array.getvalue())
    with out.create(f"{NOTES}/{packed.facts.name}.json") as file:
        file.write(json.dumps({"digest": digest, "checksum": checksum, **note}).encode())


def _checksum(note: Mapping[str, object], rows: bytes) -> str:
    """Return a hash of all that a note says, so that damage to it does not get into the data set."""
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode() + rows).hexdigest()
