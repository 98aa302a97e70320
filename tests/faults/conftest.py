"""What the faults of packed data sets share."""

import shutil

import pytest


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "inside" / "copy")
