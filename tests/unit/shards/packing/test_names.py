"""Which file a row means although it is spelt otherwise."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.packing.images import Listing, match_images


def names(*files: str) -> np.ndarray:
    return np.array([file.encode("utf-8", "surrogateescape") for file in files], np.bytes_)


def listing(*files: str) -> Listing:
    return Listing(np.sort(names(*files)), np.ones(len(files), np.int64), np.ones(len(files), np.uint32))


@pytest.mark.parametrize(
    ("files", "row", "file"),
    [
        (["a.JPG"], "a.jpg", "a.JPG"),
        (["a.png"], "a.jpeg", "a.png"),
        (["train/a.jpg"], "train\\a.jpg", "train/a.jpg"),
        (["IMG_1.JPG"], "img_1.jpg", "IMG_1.JPG"),
        ([unicodedata.normalize("NFD", "Jörg.jpg")], unicodedata.normalize("NFC", "Jörg.jpg"), unicodedata.normalize("NFD", "Jörg.jpg")),
        (["images_001/images/1.jpg", "images_002/images/2.jpg"], "2.png", "images_002/images/2.jpg"),
        # A row that has a folder means no other.
        (["b/1.jpg"], "a/1.jpg", None),
        # Which of several is not guessed.
        (["a/1.jpg", "b/1.jpg"], "1.jpg", None),
        (["a.png", "a.bmp"], "a.jpg", None),
        # The name itself goes before all others.
        (["1.jpg", "b/1.jpg"], "1.jpg", "1.jpg"),
        (["a.jpg", "a.JPG"], "a.JPG", "a.JPG"),
        (["a\\b.jpg", "a/b.jpg"], "a\\b.jpg", "a\\b.jpg"),
        # What a system left beside the images is no candidate.
        (["__MACOSX/1.jpg", "x/1.jpg"], "1.jpg", "x/1.jpg"),
        ([".ipynb_checkpoints/1.jpg"], "1.jpg", None),
        # A text beside an image is another file.
        (["a.jpg", "a.txt"], "a.png", "a.jpg"),
    ],
)
def test_what_a_row_means(files, row, file):
    at, _ = listing(*files).find(names(row))
    found = None if at[0] < 0 else np.sort(names(*files))[at[0]].decode("utf-8", "surrogateescape")
    assert found == file


def test_what_was_matched_in_spite_of_its_spelling_is_told():
    found = match_images(listing("a.JPG", "b.jpg", "x/c.jpg", "._a.JPG"), names("a.jpg", "b.jpg", "C.jpg"))
    assert found.notes == (
        "1 row names its image with another suffix or slash: 'a.jpg' is 'a.JPG'",
        "1 row names its image without its folder: 'C.jpg' is 'x/c.jpg'",
    )
    assert found.num_hidden == 1


STEMS = st.lists(st.text("abAB1_", min_size=1, max_size=4), min_size=1, max_size=8, unique_by=str.casefold)


@given(
    STEMS,
    st.sampled_from([".jpg", ".JPG", ".jpeg", ".png"]),
    st.sampled_from(["", ".jpg", ".JPEG", ".png"]),
    st.sampled_from(["", "x/", "Y/z/"]),
)
def test_each_row_means_its_own_file_in_every_spelling(stems, suffix, other, folder):
    files = [f"{folder}{stem}{suffix}" for stem in stems]
    there = listing(*files)
    ordered = there.names.tolist()
    for rows in (
        [f"{folder}{stem}{other}" for stem in stems],
        [f"{folder}{stem}{other}".replace("/", "\\") for stem in stems],
        [f"{stem}{other}" for stem in stems],
    ):
        at, _ = there.find(names(*rows))
        assert [ordered[place] for place in at.tolist()] == [file.encode() for file in files]
