"""What would leave a file behind if it ran, and a folder in which nothing may appear."""

import os
from pathlib import Path

import pytest

from engine.command_line import parse
from engine.run.run import run
from tests.conftest import forget_accelerator
from tests.faults.interruptions import OPTIONS
from tests.integration.conftest import flags


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._command = f"touch '{canary}'"

    def __reduce__(self):
        return os.system, (self._command,)


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A file that nothing may make. The working folder is an empty one, for shells that are given a relative name."""
    folder = tmp_path / "cage"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder / "canary"
    assert os.listdir(folder) == []


@pytest.fixture
def evil(canary):
    return Evil(canary)


def train(shards, run_dir, **options) -> None:
    forget_accelerator()
    run(parse(flags(shards, run_dir, **(OPTIONS | options))))
