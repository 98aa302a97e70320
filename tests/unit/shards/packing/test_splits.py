"""Which split each image goes to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.annotations import Partition
from shards.errors import ConfigurationError, DataError
from shards.packing.images import Listing
from shards.packing.splits import (
    check_groups,
    folder_splits,
    given_splits,
    listed_splits,
    parse_partition,
    random_group_splits,
    random_splits,
)


def names(*files: str) -> np.ndarray:
    return np.array([file.encode() for file in files], np.bytes_)


def numbered(num_images: int) -> np.ndarray:
    return names(*(f"{number:06d}" for number in range(num_images)))


def listing(*files: str) -> Listing:
    return Listing(np.sort(names(*files)), np.ones(len(files), np.int64), np.ones(len(files), np.uint32))


def partition(**codes: int) -> Partition:
    return Partition(files=names(*(f"{file[1:]}.jpg" for file in codes)), codes=np.array([*codes.values()], np.uint8))


TWO = names("000000.jpg", "000001.jpg")
THERE = listing("000000.jpg", "000001.jpg")


def test_random_split_is_70_15_15_and_seeded():
    codes = random_splits(numbered(200), seed=1)
    assert np.bincount(codes).tolist() == [140, 30, 30]
    assert codes.tolist() == random_splits(numbered(200), seed=1).tolist()
    assert codes.tolist() != random_splits(numbered(200), seed=2).tolist()


def test_random_split_does_not_depend_on_the_order_of_rows():
    assert random_splits(numbered(50), seed=3).tolist() == random_splits(numbered(50)[::-1], seed=3)[::-1].tolist()


def test_partition_must_name_the_same_images():
    assert given_splits(THERE, TWO, partition(_000001=0, _000000=2), "p").tolist() == [2, 0]
    with pytest.raises(DataError, match=r"no split for 1 images, first '000001.jpg'; use the file"):
        given_splits(THERE, TWO, partition(_000000=0), "p")
    with pytest.raises(DataError, match=r"no split for 2 images, first '000000.jpg'; its first row is 'x.jpg'; use the file"):
        given_splits(THERE, TWO, partition(_x=0), "p")
    # The whole set's file serves a part of it.
    assert given_splits(THERE, TWO, partition(_000000=0, _000001=1, _x=0), "p").tolist() == [0, 1]


def test_its_rows_mean_files_as_those_of_the_attributes_do():
    spelt = Partition(files=names("000001", "elsewhere\\000000.PNG".replace("elsewhere\\", "")), codes=np.array([0, 2], np.uint8))
    assert given_splits(THERE, TWO, spelt, "p").tolist() == [2, 0]
    with pytest.raises(DataError, match=r"p: gives '000000.jpg' two splits; remove one"):
        given_splits(THERE, TWO, Partition(files=names("000000", "000000.JPG", "000001"), codes=np.array([0, 2, 0], np.uint8)), "p")


def test_lists_leave_the_rest_for_training():
    there, files = listing("a.jpg", "b.jpg", "c/d.jpg"), names("c/d.jpg", "b.jpg", "a.jpg")
    codes, notes = listed_splits(there, files, [(2, "t", names("a", "z")), (1, "v", names("d.jpg"))])
    assert codes.tolist() == [1, 0, 2]
    # It may be the list of a larger set.
    assert notes == ("warning: t: 1 of 2 names mean no image, first 'z'",)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([(2, "t", names("x"))], "t: 1 of 1 names mean no image, first 'x'; the first file there is 'a.jpg'"),
        ([(2, "t", names("a")), (1, "v", names("a.jpg"))], "v: names 'a.jpg', which another list names too; remove one"),
        (
            [(0, "n", names("a")), (2, "t", names("b"))],
            "no list of --partition names 1 of the images, first 'c/d.jpg'; name all, or leave out",
        ),
    ],
)
def test_lists_refuse(lists, message):
    with pytest.raises(DataError, match=message):
        listed_splits(listing("a.jpg", "b.jpg", "c/d.jpg"), names("a.jpg", "b.jpg", "c/d.jpg"), lists)


def test_folders_are_splits():
    assert folder_splits("images", names("Train/a.jpg", "x/valid/y/b.jpg", "testing/c.jpg")).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"images/a.jpg: lies in no folder named train, val or test"):
        folder_splits("images", names("a.jpg"))
    with pytest.raises(DataError, match=r"images/train/test/a.jpg: lies in folders of several splits"):
        folder_splits("images", names("train/test/a.jpg"))


@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(0, 20))
def test_no_group_is_in_two_splits_and_every_row_has_one(sizes, seed):
    groups = names(*(f"p{number}" for number, size in enumerate(sizes) for _ in range(size)))
    codes = random_group_splits(groups, seed)
    for group in set(groups.tolist()):
        assert len(set(codes[groups == group].tolist())) == 1
    # The order of rows does not matter.
    assert random_group_splits(groups[::-1], seed)[::-1].tolist() == codes.tolist()


def test_groups_come_near_70_15_15():
    groups = names(*(f"p{number}" for number in range(200) for _ in range(5)))
    assert np.bincount(random_group_splits(groups, 0)).tolist() == pytest.approx([700, 150, 150], abs=5)
    assert random_group_splits(groups, 0).tolist() != random_group_splits(groups, 1).tolist()


def test_a_row_without_a_group():
    with pytest.raises(DataError, match="--group-column who: 1 rows have no who, the first is row 2; fill them in"):
        check_groups(names("p", ""), "who")


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        (["list_eval_partition.txt"], ("file", {0: "list_eval_partition.txt"})),
        (["a=b.csv"], ("file", {0: "a=b.csv"})),
        (["./folders"], ("file", {0: "./folders"})),
        (["folders"], ("folders", {})),
        (["tables"], ("tables", {})),
        (["column=is train"], ("column", {0: "is train"})),
        (["Test=t.txt"], ("lists", {2: "t.txt"})),
        (["train=a", "valid=b=c", "test=d"], ("lists", {0: "a", 1: "b=c", 2: "d"})),
    ],
)
def test_what_a_partition_may_be(words, parsed):
    assert parse_partition(words) == parsed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.csv", "b.csv"], "--partition 'a.csv': expected one file, column=NAME, folders, tables, or lists such as test=FILE val=FILE"),
        (["test=", "val=b"], "--partition 'test=': expected"),
        (["val=a", "dev=b"], "--partition: names two lists for val"),
    ],
)
def test_what_it_may_not_be(words, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_partition(words)
