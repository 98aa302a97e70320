"""A small source and what is made of it."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import pack, write_celeba


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Six images: four for training, one each for validation and test."""
    return write_celeba(tmp_path_factory.mktemp("source") / "celeba", num_images=6)


@pytest.fixture(scope="module")
def packed(source, tmp_path_factory) -> Path:
    """They as one shard per split."""
    return pack(source, tmp_path_factory.mktemp("packed") / "out", shards=1)


@pytest.fixture
def damaged(source, tmp_path) -> Path:
    """A copy whose images may be damaged."""
    return shutil.copytree(source, tmp_path / "celeba")
