"""Packing one shard, and keeping one that is whole."""

import dataclasses
import io
import os
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from shards.errors import DataError
from shards.image.resize import encoder
from shards.manifest import Resized
from shards.packing import job as job_module
from shards.packing.job import NOTES, BadImage, ShardJob, pack_shard, read_rows
from shards.storage.local_folder import LocalFolder
from tests.conftest import write_celeba
from tests.damage import digests

FILES = ("000003.jpg", "000001.jpg", "000002.jpg")
FILES_OF_A_SHARD = ("train-000000.tar", "train-000000.idx", f"{NOTES}/train-000000.npy", f"{NOTES}/train-000000.json")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Three images."""
    return write_celeba(tmp_path_factory.mktemp("source") / "celeba", num_images=3) / "img_align_celeba"


@pytest.fixture
def job(images, tmp_path) -> ShardJob:
    """A shard of them, with two labels each."""
    return ShardJob(
        name="train-000000",
        images=str(images),
        out=str(tmp_path / "out"),
        files=np.array([name.encode() for name in FILES]),
        keys=np.array([b"c", b"a", b"b"]),
        labels=np.array([[1, 0], [0, -1], [1, 1]], np.int8),
        sizes=np.array([(images / name).stat().st_size for name in FILES]),
        versions=np.array([7, 8, 9], np.uint32),
        check="decode",
        quarantine=False,
    )


def done(job: ShardJob, *, has_note: bool = False):
    """Pack, and return the result and the sum of what was told of the progress."""
    told = []
    packed = pack_shard(job, lambda *amounts: told.append(amounts), has_note=has_note)
    return packed, tuple(map(sum, zip(*told, strict=True)))


def test_what_is_written(job, images):
    packed, told = done(job)
    contents = [(images / name).read_bytes() for name in FILES]
    assert told == (3, sum(map(len, contents)), 0)
    assert set(digests(Path(job.out))) == set(FILES_OF_A_SHARD)
    data = (Path(job.out) / "train-000000.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["c.jpg", "c.npy", "a.jpg", "a.npy", "b.jpg", "b.npy"]
        vectors = [np.load(io.BytesIO(tar.extractfile(f"{key}.npy").read())).tolist() for key in "cab"]
    assert vectors == [[1, 0], [0, -1], [1, 1]]
    rows = read_rows(LocalFolder(job.out), job.name)
    assert [data[row["offset"] :][: row["size"]] for row in rows] == contents
    assert rows["crc32"].tolist() == [zlib.crc32(content) for content in contents]
    assert (packed.facts.samples, packed.facts.bytes, packed.resumed, packed.bad) == (3, len(data), False, ())
    assert packed.image_bytes == sum(map(len, contents))


CHANGES = {
    "name": "train-000001",
    "files": np.array([b"000003.jpg", b"000001.jpg", b"000002.jpeg"]),
    "keys": np.array([b"c", b"a", b"d"]),
    "labels": np.array([[1, 0], [0, 0], [1, 1]], np.int8),
    "sizes": np.array([1, 2, 3]),
    "versions": np.array([7, 8, 10], np.uint32),
    "check": "header",
    "quarantine": True,
    "resized": Resized(side=40, quality=90, encoder=encoder()),
}
PLACES = {"images": "/elsewhere/images", "out": "/elsewhere/out"}


def test_the_digest_changes_with_what_decides_the_bytes_and_with_nothing_else(job):
    assert {*CHANGES, *PLACES} == {field.name for field in dataclasses.fields(ShardJob)}
    digests_ = [dataclasses.replace(job, **{name: value}).digest() for name, value in CHANGES.items()]
    assert len({job.digest(), *digests_}) == 1 + len(CHANGES)
    assert dataclasses.replace(job, **PLACES).digest() == job.digest()
    assert dataclasses.replace(job, labels=job.labels.reshape(2, 3)).digest() != job.digest()


def test_a_whole_shard_is_kept(job):
    first, told = done(job)
    before = {name: (Path(job.out) / name).stat() for name in FILES_OF_A_SHARD}
    kept, told_again = done(job, has_note=True)
    assert kept == dataclasses.replace(first, resumed=True)
    assert told_again == told
    assert all(os.path.samestat(before[name], (Path(job.out) / name).stat()) for name in FILES_OF_A_SHARD)


@pytest.mark.parametrize("name", ["keys", "labels", "sizes", "versions", "check", "quarantine", "resized"])
def test_a_shard_of_another_job_is_packed_anew(job, name):
    done(job)
    other = dataclasses.replace(job, **{name: CHANGES[name]})
    packed, _ = done(other, has_note=True)
    assert not packed.resumed
    assert done(other, has_note=True)[0] == dataclasses.replace(packed, resumed=True)


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", FILES_OF_A_SHARD)
def test_a_flipped_bit_in_what_is_there_is_mended(job, name):
    first, _ = done(job)
    whole = digests(Path(job.out))
    path = Path(job.out) / name
    size = path.stat().st_size
    for at in sorted({0, *range(1, size, max(1, size // 40)), size - 1}):
        flipped(path, at)
        packed, _ = done(job, has_note=True)
        assert packed == first, f"byte {at}"
        assert digests(Path(job.out)) == whole, f"byte {at}"


@pytest.mark.parametrize("name", FILES_OF_A_SHARD)
@pytest.mark.parametrize("content", [None, b"", b"[]", b'"digest"', b"7"], ids=["gone", "empty", "list", "text", "number"])
def test_what_is_lost_or_something_else_is_packed_anew(job, name, content):
    first, _ = done(job)
    path = Path(job.out) / name
    path.unlink() if content is None else path.write_bytes(content)
    assert done(job, has_note=True)[0] == first


def test_bad_images_are_left_out_and_reported_again_by_a_kept_shard(job, images, tmp_path):
    own = tmp_path / "images"
    own.mkdir()
    for name in FILES:
        (own / name).write_bytes(b"GIF89a" if name == "000001.jpg" else (images / name).read_bytes())
    strict = dataclasses.replace(job, images=f"{own}/")
    with pytest.raises(
        DataError, match=rf"^{own}/000001\.jpg: is neither JPEG nor PNG but a GIF image; .* \(--on-bad-image quarantine packs the rest\)"
    ):
        done(strict)
    assert digests(tmp_path / "out") == {}
    lenient = dataclasses.replace(strict, quarantine=True)
    packed, told = done(lenient)
    assert packed.bad == (
        BadImage(
            key="a",
            file="000001.jpg",
            reason="is neither JPEG nor PNG but a GIF image; convert it to PNG or JPEG (ImageMagick: mogrify -format png FILE)",
        ),
    )
    assert (packed.facts.samples, told[0], told[2]) == (2, 3, 1)
    kept, told = done(lenient, has_note=True)
    assert kept == dataclasses.replace(packed, resumed=True)
    assert (told[0], told[2]) == (3, 1)


def test_only_decoding_sees_a_damaged_body(job, images, tmp_path):
    own = tmp_path / "images"
    own.mkdir()
    for name in FILES:
        data = (images / name).read_bytes()
        (own / name).write_bytes(data[: len(data) // 2] + b"\xff\xd9" if name == "000002.jpg" else data)
    lazy = dataclasses.replace(job, images=str(own), check="header")
    assert done(lazy)[0].facts.samples == 3
    # What was packed with less care is not kept by a run that asks for more.
    with pytest.raises(DataError, match=r"000002\.jpg: cannot be decoded"):
        done(dataclasses.replace(lazy, check="decode"), has_note=True)


def test_a_file_too_large_is_refused_without_being_read(job):
    # There is no such file: whoever opened it would say so.
    huge = dataclasses.replace(job, files=np.array([b"000003.jpg", b"none.jpg", b"000002.jpg"]), sizes=np.array([10, 2**26 + 1, 10]))
    with pytest.raises(DataError, match=r"none\.jpg: has 67108865 bytes, more than 67108864; shrink it before packing \(--on-bad"):
        done(huge)
    packed, told = done(dataclasses.replace(huge, quarantine=True))
    assert [bad.file for bad in packed.bad] == ["none.jpg"]
    assert (packed.facts.samples, told[0], told[2]) == (2, 3, 1)


@pytest.mark.parametrize(("images_at_a_time", "bytes_at_a_time"), [(1, 1 << 30), (2, 1 << 30), (64, 1)])
def test_how_many_are_read_at_a_time_makes_no_difference(job, monkeypatch, images_at_a_time, bytes_at_a_time):
    first, _ = done(job)
    monkeypatch.setattr(job_module, "_READ_IMAGES", images_at_a_time)
    monkeypatch.setattr(job_module, "_READ_BYTES", bytes_at_a_time)
    assert done(job)[0] == first


def test_an_image_that_cannot_be_read_is_quarantined_and_its_neighbours_are_packed(job):
    quarantining = dataclasses.replace(job, quarantine=True, files=np.array([b"000003.jpg", b"vanished.jpg", b"000002.jpg"]))
    packed, told = done(quarantining)
    assert [(bad.key, bad.file) for bad in packed.bad] == [("a", "vanished.jpg")]
    assert packed.bad[0].reason.startswith("cannot be read (")
    assert packed.bad[0].reason.endswith("(No such file or directory))")
    assert (packed.facts.samples, told[0], told[2]) == (2, 3, 1)
    with pytest.raises(DataError, match=r"vanished\.jpg: cannot be read .*--on-bad-image quarantine packs the rest"):
        done(dataclasses.replace(quarantining, quarantine=False))
