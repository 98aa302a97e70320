"""Keys of samples."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.packing.keys import KEY, key_of, keys_of, tell_files

NAMES = st.lists(
    st.text("ab._/ é(1", min_size=1, max_size=6).map(lambda name: f"{name}.jpg".encode()), min_size=1, max_size=12, unique=True
)


def names(*files: str) -> np.ndarray:
    return np.array([file.encode() for file in files], np.bytes_)


def hashed(file: str) -> bytes:
    return hashlib.sha256(file.encode()).hexdigest()[:8].encode()


def test_keys_are_the_paths_without_suffix():
    files = names("000001.jpg", "a-b_C.jpeg", "one/two/x.JPG", "plain")
    assert keys_of(files).tolist() == [b"000001", b"a-b_C", b"one_two_x", b"plain"]


def test_what_no_key_may_have_becomes_an_underscore():
    files = names("20_1_3_201701.jpg.chip.jpg", "CheXpert-v1.0-small/p1.jpg", "images (0).jpg", "../a.jpg")
    assert keys_of(files).tolist() == [b"20_1_3_201701_jpg_chip", b"CheXpert-v1_0-small_p1", b"images__0_", b"___a"]


def test_where_files_would_share_a_key_the_later_ones_get_a_hash_of_their_path():
    files = ["one_two.jpg", "张伟.jpg", "one/two.jpg", "李伟.jpg", "one two.jpg"]
    # By path: blank, slash, underscore.
    expected = {
        "one two.jpg": b"one_two",
        "one/two.jpg": b"one_two" + hashed("one/two.jpg"),
        "one_two.jpg": b"one_two" + hashed("one_two.jpg"),
    }
    first, second = sorted(["张伟.jpg", "李伟.jpg"], key=str.encode)
    stem = b"_" * len("张伟".encode())
    expected |= {first: stem, second: stem + hashed(second)}
    for order in (files, files[::-1]):
        assert keys_of(names(*order)).tolist() == [expected[file] for file in order]


def test_a_path_that_is_too_long_is_cut():
    long = f"{'k' * 97}.jpg"
    assert keys_of(names(long)).tolist() == [b"k" * 88 + hashed(long)]


@given(NAMES)
def test_keys_are_keys_and_no_two_are_alike_whatever_the_order(files):
    array = np.array(files, np.bytes_)
    keys = keys_of(array).tolist()
    assert all(KEY.fullmatch(key) for key in keys)
    assert len(set(keys)) == len(files)
    assert dict(zip(files, keys, strict=True)) == dict(zip(files[::-1], keys_of(array[::-1]).tolist(), strict=True))


def test_which_keys_tell_their_files():
    assert tell_files(np.array([b"000001", b"no_suffix"]), np.array([b"000001.jpg", b"no_suffix"]))
    for file in (b"one/two.jpg", b"a.b.jpg", b"one/two", b".jpg", b"images (1).jpg"):
        assert not tell_files(np.array([b"000001", key_of(file)]), np.array([b"000001.jpg", file])), file
