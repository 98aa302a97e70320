"""Which file a row means."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import DataError
from shards.packing import images
from shards.packing.images import find_twice, list_images, match_images, positions_in
from shards.storage.local_folder import LocalFolder

NAMES = st.text("abc/.", min_size=1, max_size=3)


def array(*names: str) -> np.ndarray:
    return np.array([name.encode() for name in names], np.bytes_)


def matched(folder, *wanted: str) -> images.Images:
    return match_images(list_images(LocalFolder(str(folder)), lambda _: None), array(*wanted))


@pytest.fixture
def folder(tmp_path):
    """Files of different sizes, some of them no images."""
    (tmp_path / "one" / "two").mkdir(parents=True)
    names = ("a.jpg", "b.jpeg", "c.JPG", "d.JPEG", "plain", "one/a.jpg", "one/two/e.jpg", "Thumbs.db")
    for size, name in enumerate(names, start=1):
        (tmp_path / name).write_bytes(bytes(size))
    return tmp_path


def test_a_row_means_the_file_of_its_name_or_with_a_suffix(folder):
    found = matched(folder, "c", "a.jpg", "plain", "b", "one/two/e", "d", "one/a.jpg")
    assert found.files.tolist() == [b"c.JPG", b"a.jpg", b"plain", b"b.jpeg", b"one/two/e.jpg", b"d.JPEG", b"one/a.jpg"]
    assert found.sizes.tolist() == [3, 1, 5, 2, 7, 4, 6]
    assert (found.num_hidden, found.surplus.tolist(), found.notes) == (1, [], ())


def test_the_name_itself_goes_before_a_suffix_and_jpg_before_jpeg(tmp_path):
    for name in ("a", "a.jpg", "b.jpeg", "b.jpg"):
        (tmp_path / name).touch()
    found = matched(tmp_path, "a", "b")
    assert found.files.tolist() == [b"a", b"b.jpg"]
    assert found.surplus.tolist() == [b"a.jpg", b"b.jpeg"]


def test_what_is_missing_has_no_file_and_what_no_row_means_is_surplus_if_it_is_a_jpeg(folder):
    found = matched(folder, "a.jpg", "z.jpg", "one", "a.jp")
    assert found.files.tolist() == [b"a.jpg", b"", b"", b""]
    assert (found.sizes.tolist(), found.versions[1:].tolist()) == ([1, 0, 0, 0], [0, 0, 0])
    assert found.surplus.tolist() == [b"b.jpeg", b"c.JPG", b"d.JPEG", b"one/a.jpg", b"one/two/e.jpg"]


def test_pipes_and_devices_are_no_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    found = matched(tmp_path, "pipe.jpg", "null.jpg")
    assert (found.files.tolist(), found.surplus.tolist()) == ([b"", b""], [])


@pytest.mark.parametrize("name", ["", "missing"], ids=["empty", "missing"])
def test_an_empty_or_missing_folder_holds_nothing(tmp_path, name):
    found = matched(tmp_path / name, "a.jpg")
    assert (found.files.tolist(), found.surplus.tolist()) == ([b""], [])


def test_a_file_is_no_folder_of_images(folder):
    with pytest.raises(DataError, match=r"a\.jpg: cannot be read as a folder \(Not a directory\)"):
        matched(folder / "a.jpg", "a")


def test_a_version_changes_with_the_time_of_modification(folder):
    before = matched(folder, "a.jpg", "b").versions
    os.utime(folder / "a.jpg", ns=(0, 1))
    after = matched(folder, "a.jpg", "b").versions
    assert (before == after).tolist() == [False, True]


def test_progress_is_told_and_a_long_listing_is_the_same(folder, monkeypatch):
    whole = matched(folder, "one/a", "b")
    monkeypatch.setattr(images, "_CHUNK", 3)
    told = []
    chunked = match_images(list_images(LocalFolder(str(folder)), told.append), array("one/a", "b"))
    assert told == [3, 6]
    for name in ("files", "sizes", "versions", "surplus"):
        assert getattr(chunked, name).tolist() == getattr(whole, name).tolist()


def test_names_beyond_ascii_and_beyond_unicode(tmp_path):
    (tmp_path / "Jörg.jpg").touch()
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    found = matched(tmp_path, "Jörg")
    assert found.files.tolist() == ["Jörg.jpg".encode()]
    assert found.surplus.tolist() == [b"\xff.jpg"]


@given(st.lists(NAMES, unique=True, max_size=20), st.lists(NAMES, max_size=20))
def test_positions_are_those_of_a_dictionary(names, wanted):
    where = {name: position for position, name in enumerate(names)}
    assert positions_in(array(*names), array(*wanted)).tolist() == [where.get(name, -1) for name in wanted]


@given(st.lists(NAMES, max_size=20))
def test_find_twice_finds_the_first_two_of_a_name(names):
    twice = sorted({name for name in names if names.count(name) > 1})
    first = names.index(twice[0]) if twice else 0
    assert find_twice(array(*names)) == ((first, names.index(twice[0], first + 1)) if twice else None)
