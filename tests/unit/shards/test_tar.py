"""The bytes of a shard."""

import hashlib
import io
import tarfile
import zlib

import numpy as np
import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from shards import tar
from shards.image.header import ImageHeader
from shards.tar import BLOCK, INDEX_DTYPE, RECORD, ShardFile, dali_index, dali_line, label_bytes, member_header, padded

KEYS = st.text("abcXYZ019_-", min_size=1, max_size=96)
SAMPLES = st.lists(st.tuples(KEYS, st.binary(max_size=1600), st.lists(st.sampled_from([1, 0, -1]), min_size=1, max_size=60)), max_size=8)


def written(samples, size=(178, 218), suffix="jpg") -> tuple[ShardFile, bytes]:
    file = io.BytesIO()
    shard = ShardFile(file)
    for key, image, labels in samples:
        shard.add(key, image, label_bytes(np.array(labels, np.int8)), ImageHeader(suffix=suffix, width=size[0], height=size[1]))
    shard.finish()
    return shard, file.getvalue()


@given(SAMPLES)
def test_it_is_what_webdataset_writes_byte_for_byte(samples):
    wanted = io.BytesIO()
    with webdataset.TarWriter(wanted, user="", group="", mode=0o444, mtime=0, encoder=False) as writer:
        writer.tarstream.format = tarfile.USTAR_FORMAT
        for key, image, labels in samples:
            vector = io.BytesIO()
            np.save(vector, np.array(labels, np.int8))
            writer.write({"__key__": key, "jpg": image, "npy": vector.getvalue()})
    shard, data = written(samples)
    assert data == wanted.getvalue()
    assert shard.size == len(data)


@given(SAMPLES)
def test_a_png_is_written_like_a_jpeg_but_for_its_name(samples):
    (jpegs, jpeg_tar), (pngs, png_tar) = written(samples), written(samples, suffix="png")
    assert (jpegs.pngs, pngs.pngs) == (0, len(samples))
    with tarfile.open(fileobj=io.BytesIO(jpeg_tar)) as one, tarfile.open(fileobj=io.BytesIO(png_tar)) as other:
        for jpeg, png in zip(one, other, strict=True):
            assert jpeg.name.replace(".jpg", ".png") == png.name
            assert one.extractfile(jpeg).read() == other.extractfile(png).read()
    assert np.array_equal(jpegs.rows(), pngs.rows())


@given(SAMPLES)
def test_the_rows_point_at_the_images(samples):
    shard, data = written(samples)
    rows = shard.rows()
    assert rows.dtype == INDEX_DTYPE
    assert [data[row["offset"] :][: row["size"]] for row in rows] == [image for _, image, _ in samples]
    assert rows["crc32"].tolist() == [zlib.crc32(image) for _, image, _ in samples]
    assert (shard.sha256.digest(), shard.md5.digest()) == (hashlib.sha256(data).digest(), hashlib.md5(data, usedforsecurity=False).digest())


def test_rows_and_index_by_hand():
    shard, data = written([("a", b"x" * 513, [1, 0]), ("long", b"", [1, -1])], size=(30, 40))
    # Header and two blocks of image, header and one block of labels (128 bytes of NumPy's header and two labels); then the same.
    assert shard.rows().tolist() == [
        (0, 512, 513, zlib.crc32(b"x" * 513), 30, 40, 0),
        (0, 512 + 1024 + 512 + 512 + 512, 0, 0, 30, 40, 0),
    ]
    assert shard.dali_index() == b"v1.2 2\njpg 512 513 a.jpg npy 2048 130 a.npy\njpg 3072 0 long.jpg npy 3584 130 long.npy\n"
    assert len(data) == RECORD
    assert data[2048 + 128 : 2048 + 130] == b"\x01\x00"
    assert data[3584 + 128 : 3584 + 130] == b"\x01\xff"


@pytest.mark.parametrize(("num_blocks", "size"), [(0, RECORD), (18, RECORD), (19, 2 * RECORD)])
def test_a_tar_ends_with_two_empty_blocks_and_a_whole_record(num_blocks, size):
    file = io.BytesIO()
    shard = ShardFile(file)
    shard._write(b"x" * BLOCK * num_blocks)
    shard.finish()
    assert len(file.getvalue()) == size
    assert file.getvalue().rstrip(b"\0") == b"x" * BLOCK * num_blocks


def test_what_is_gathered_before_it_is_written_makes_no_difference(monkeypatch):
    samples = [(f"{number:03d}", bytes(number * 100), [1]) for number in range(9)]
    whole = written(samples)[1]
    monkeypatch.setattr(tar, "_FLUSH", 1)
    assert written(samples)[1] == whole


@given(KEYS, st.integers(0, 8**11 - 1))
def test_a_header_is_tarfiles(key, size):
    info = tarfile.TarInfo(f"{key}.jpg")
    info.mode, info.size = 0o444, size
    assert member_header(f"{key}.jpg".encode(), size) == info.tobuf(tarfile.USTAR_FORMAT)


@given(st.integers(0, 1 << 40))
def test_padding_is_to_the_next_block(size):
    assert padded(size) % BLOCK == 0
    assert 0 <= padded(size) - size < BLOCK


def test_an_empty_index():
    assert dali_index([]) == b"v1.2 0\n"
    assert dali_index([dali_line("k", "png", 512, 1, 1536, 130)]) == b"v1.2 1\npng 512 1 k.png npy 1536 130 k.npy\n"


def test_labels_are_a_plain_array_file():
    for labels in ([1, 0, -1], [1] * 40, [0] * 100_000):
        data = label_bytes(np.array(labels, np.int8))
        assert np.load(io.BytesIO(data), allow_pickle=False).tolist() == labels
        assert len(data) == 128 + len(labels)
