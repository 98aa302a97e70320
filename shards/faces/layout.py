"""The text files of CelebA's flat layout, byte for byte as the original writes them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTE_FILE = "list_attr_celeba.txt"
PARTITION_FILE = "list_eval_partition.txt"

CELEBA_SPLITS = (162_770, 19_867, 19_962)
"""Images in CelebA's train, val and test split."""


def image_name(index: int) -> str:
    """Return the file name of an image; CelebA counts from 1.

    >>> image_name(0)
    '000001.jpg'
    """
    return f"{index + 1:06d}.jpg"


def attribute_text(names: Iterable[str], labels: NDArray[np.bool_]) -> str:
    r"""Return an attribute file's text.

    Args:
        names: Attribute names, in column order.
        labels: [images, attributes].

    >>> attribute_text(["Bald", "Young"], np.array([[False, True]]))
    '1\nBald Young \n000001.jpg -1  1\n'
    """
    header = "".join(f"{name} " for name in names)
    rows = (f"{image_name(index)} {' '.join(' 1' if label else '-1' for label in row)}" for index, row in enumerate(labels.tolist()))
    return "\n".join((str(len(labels)), header, *rows, ""))


def split_starts(num_images: int, splits: tuple[int, int, int] = CELEBA_SPLITS) -> tuple[int, int]:
    """Return the first image of val and the first of test: train, val and test follow one another.

    Args:
        num_images: Number of images.
        splits: Proportions of train, val and test.

    >>> split_starts(4), split_starts(100, (7, 1, 2))
    ((3, 4), (70, 80))
    """
    train, val, test = splits
    whole = train + val + test
    return round(num_images * train / whole), round(num_images * (train + val) / whole)


def partition_text(num_images: int, splits: tuple[int, int, int] = CELEBA_SPLITS) -> str:
    r"""Return a partition file's text: train (0), then val (1), then test (2); arguments as of `split_starts`.

    >>> partition_text(4)
    '000001.jpg 0\n000002.jpg 0\n000003.jpg 0\n000004.jpg 1\n'
    """
    first_val, first_test = split_starts(num_images, splits)
    return "".join(f"{image_name(index)} {int(index >= first_val) + int(index >= first_test)}\n" for index in range(num_images))
