"""Which split each image goes to: as a file, a column, a folder or a table says, or drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shards.annotations import SPLITS, Partition
from shards.errors import ConfigurationError, DataError
from shards.labels.cells import SPLIT_WORDS, canonical
from shards.packing.images import Listing
from shards.packing.keys import shown
from shards.packing.mismatch import advice, several_fit

TRAIN_SHARE = 0.7
_NO_SPLIT = 255


def random_splits(keys: NDArray[np.bytes_], seed: int) -> NDArray[np.uint8]:
    """Return a seeded random split code for each row: 70 % train, and the rest halved into val and test.

    Args:
        keys: [N] keys. The split is drawn over sorted keys, so the order of rows does not matter.
        seed: Seed of the split.
    """
    order = np.argsort(keys, kind="stable")[np.random.default_rng([seed, len(SPLITS)]).permutation(len(keys))]
    num_train = round(TRAIN_SHARE * len(order))
    num_val = (len(order) - num_train) // 2
    codes = np.full(len(order), 2, np.uint8)
    codes[order[:num_train]] = 0
    codes[order[num_train : num_train + num_val]] = 1
    return codes


def random_group_splits(groups: NDArray[np.bytes_], seed: int) -> NDArray[np.uint8]:
    """Return a seeded random split code for each row, the same for all rows of a group: as near to 70, 15 and 15 % as whole groups allow.

    Args:
        groups: [N] what must not be in two splits, a person for example.
        seed: Seed of the split.
    """
    spelt = np.array([canonical(name.decode()).encode() for name in groups.tolist()], np.bytes_)
    names, group, sizes = np.unique(spelt, return_inverse=True, return_counts=True)
    order = np.random.default_rng([seed, len(SPLITS)]).permutation(len(names))
    wanted = np.array([TRAIN_SHARE, (1 - TRAIN_SHARE) / 2, (1 - TRAIN_SHARE) / 2]) * len(groups)
    codes, filled = np.zeros(len(names), np.uint8), np.zeros(len(SPLITS))
    for number in order.tolist():
        # To the split that lacks the greatest share of what it is to have.
        codes[number] = int(np.argmax((wanted - filled) / wanted))
        filled[codes[number]] += sizes[number]
    return codes[group]


def given_splits(listing: Listing, files: NDArray[np.bytes_], partition: Partition, name: str) -> NDArray[np.uint8]:
    """Return the split code that a partition gives each image.

    Args:
        listing: The folder of images: rows of the partition mean files by the same rules as those of the attributes.
        files: [N] image files, as they are in the folder.
        partition: Which split each of them belongs to. It may name more images: a part of a data set is packed with the whole set's file.
        name: What messages call the partition.

    Raises:
        DataError: An image has no split, or two.
    """
    at, _ = listing.find(partition.files)
    means = np.flatnonzero(at >= 0)
    by_file = np.full(len(listing.names), _NO_SPLIT, np.uint8)
    by_file[at[means]] = partition.codes[means]
    differing = means[by_file[at[means]] != partition.codes[means]]
    if len(differing):
        raise DataError(f"{name}: gives {shown(listing.names[at[differing[0]]])} two splits; remove one")
    codes = by_file[np.searchsorted(listing.names, files)]
    if (codes == _NO_SPLIT).any():
        missing = np.flatnonzero(codes == _NO_SPLIT)
        first_row = f"; its first row is {shown(partition.files[0])}" if len(missing) == len(files) else ""
        raise DataError(
            f"the partition file gives no split for {len(missing)} images, first {shown(files[missing[0]])}{first_row}; use the file of "
            "the same data set"
        )
    return codes


def listed_splits(
    listing: Listing, files: NDArray[np.bytes_], lists: Sequence[tuple[int, str, NDArray[np.bytes_]]]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the split code of each image from a list per split, and what looks odd; without a list for training the rest is for it.

    Args:
        listing: The folder of images.
        files: [N] image files, as they are in the folder.
        lists: Split code, what messages call the list, and its names.

    Raises:
        DataError: A list names none of the images, an image is in two lists, or in none although training images are listed.
    """
    by_file, notes = np.full(len(listing.names), _NO_SPLIT, np.uint8), list[str]()
    for code, name, names in lists:
        at, _ = listing.find(names)
        if len(missing := names[at < 0]):
            notes.append(_unlisted(listing, name, names, missing))
        at = at[at >= 0]
        twice = at[(by_file[at] != _NO_SPLIT) & (by_file[at] != code)]
        if len(twice):
            raise DataError(f"{name}: names {shown(listing.names[twice[0]])}, which another list names too; remove one")
        by_file[at] = code
    codes = by_file[np.searchsorted(listing.names, files)]
    if 0 not in [code for code, _, _ in lists]:
        codes[codes == _NO_SPLIT] = 0
    elif (codes == _NO_SPLIT).any():
        missing = np.flatnonzero(codes == _NO_SPLIT)
        raise DataError(
            f"no list of --partition names {len(missing)} of the images, first {shown(files[missing[0]])}; name all, or leave out train="
        )
    return codes, tuple(notes)


def _unlisted(listing: Listing, name: str, names: NDArray[np.bytes_], missing: NDArray[np.bytes_]) -> str:
    """Return a warning of names in a list that mean no image; where they seem to mean one, refuse: it would be trained on.

    Raises:
        DataError: They do.
    """
    said = f"{name}: {len(missing)} of {len(names)} names mean no image, first {shown(missing[0])}"
    several = next((text for row in range(len(missing)) if (text := several_fit(listing, missing[row:]))), "")
    hint = several or advice("images", listing, missing)
    if several or "would match" in hint or len(missing) == len(names):
        raise DataError(f"{said}{hint}")
    return f"warning: {said}"


def folder_splits(images: str, files: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """Return the split code that the folder of each image names: `train`, `val`, `test`, or another word for them.

    Raises:
        DataError: An image lies in no such folder, or in several.
    """
    codes = np.zeros(len(files), np.uint8)
    for row, file in enumerate(files.tolist()):
        folders = file.decode("utf-8", "surrogateescape").lower().split("/")[:-1]
        found = {SPLIT_WORDS[folder] for folder in folders if folder in SPLIT_WORDS}
        if len(found) != 1:
            problem = "lies in folders of several splits" if found else "lies in no folder named train, val or test"
            raise DataError(f"{images}/{file.decode('utf-8', 'backslashreplace')}: {problem}; --partition folders needs one")
        codes[row] = found.pop()
    return codes


def check_groups(groups: NDArray[np.bytes_], column: str) -> None:
    """Refuse a row without a group: nobody knows whose image it is.

    Raises:
        DataError: There is one.
    """
    empty = np.flatnonzero(groups == b"")
    if len(empty):
        raise DataError(f"--group-column {column}: {len(empty)} rows have no {column}, the first is row {empty[0] + 1}; fill them in")


def parse_partition(words: Sequence[str]) -> tuple[str, dict[int, str]]:
    """Return the kind of a `--partition` and what belongs to it: `file`, `column`, `folders`, `tables`, or `lists` by split code.

    Raises:
        ConfigurationError: It is none of these.

    >>> parse_partition(["column=fold"]), parse_partition(["test=a.txt", "val=b.txt"])
    (('column', {0: 'fold'}), ('lists', {2: 'a.txt', 1: 'b.txt'}))
    """
    pairs = [word.partition("=") for word in words]
    if len(words) == 1:
        name, equals, value = pairs[0]
        if words[0] in ("folders", "tables"):
            return words[0], {}
        if name == "column" and equals:
            return "column", {0: value}
        if not (equals and name.lower() in SPLIT_WORDS):
            return "file", {0: words[0]}
    lists: dict[int, str] = {}
    for word, (name, equals, value) in zip(words, pairs, strict=True):
        code = SPLIT_WORDS.get(name.lower())
        if code is None or not equals or not value:
            raise ConfigurationError(
                f"--partition {word!r}: expected one file, column=NAME, folders, tables, or lists such as test=FILE val=FILE"
            )
        if code in lists:
            raise ConfigurationError(f"--partition: names two lists for {SPLITS[code]}")
        lists[code] = value
    return "lists", lists
