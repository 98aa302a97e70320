"""F-13: a shard that is deleted, replaced, cut or overwritten while training runs, in a real process that is held in the middle."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from shards.manifest import load_manifest
from tests.conftest import pack, write_celeba
from tests.faults.conftest import eventually
from tests.integration.conftest import flags, records, results
from tests.launch import TRAIN, stands_still

SHARD = "train-000001.tar"
OPTIONS = {"train__epochs": 3}
# Stands still before the third step of the second epoch, until it is told to go on.
HELD = """
import os, signal
from engine.loop.trainer import Trainer
def held(self, what):
    if what == "step" and (self.position.epoch, self.position.step) == (1, 2):
        os.kill(os.getpid(), signal.SIGSTOP)
Trainer.before = held
"""
# Every shard has to be opened again and again, as in a data set of very many.
FEW_OPEN = "from engine.pipeline import source; source.MAX_OPEN_SHARDS = 1\n"


def keys_in(folder: Path, shard: str) -> list[str]:
    # Opened without a look at the shards, one of which is not what it was.
    keys, index = np.load(folder / "keys.npy"), np.load(folder / "index.npy")
    names = [entry.name for entry in load_manifest(folder).shards]
    return [key.decode() for key in keys[index["shard"] == names.index(shard)]]


def delete(path: Path, _: Path) -> None:
    path.unlink()


def replace(path: Path, other: Path) -> None:
    data = (other / path.name).read_bytes()
    new = path.with_suffix(".new")
    # As large as the old one: only its bytes tell.
    new.write_bytes(data[: path.stat().st_size].ljust(path.stat().st_size, b"\0"))
    new.replace(path)


def replace_by_another_size(path: Path, _: Path) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(path.read_bytes() + bytes(512))
    new.replace(path)


def cut(path: Path, _: Path) -> None:
    os.truncate(path, 1024)


def empty(path: Path, _: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path, _: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(np.random.default_rng(13).bytes(size))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return pack(write_celeba(tmp_path_factory.mktemp("other") / "celeba", seed=3), tmp_path_factory.mktemp("other") / "shards")


@pytest.fixture(scope="module")
def undisturbed(shards, nursery, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    assert nursery.start(flags(shards, run_dir, **OPTIONS)).finish()[0] == 0
    return results(records(run_dir))


@pytest.fixture
def disturbed(copy, tmp_path, nursery, other):
    """Train, do something to a shard in the middle, and return how it ended."""

    def train(change, program: str = "") -> tuple[int, str, str]:
        child = nursery.start(flags(copy, tmp_path / "run", **OPTIONS), program + HELD + TRAIN)
        assert eventually(lambda: stands_still(child.pid) or child.poll() is not None)
        change(copy / SHARD, other)
        child.send_signal(signal.SIGCONT)
        return child.finish()

    return train


@pytest.mark.parametrize("change", [delete, replace])
def test_f13_a_shard_that_is_open_is_read_to_its_end(disturbed, undisturbed, tmp_path, change):
    assert disturbed(change)[0] == 0
    assert results(records(tmp_path / "run")) == undisturbed


@pytest.mark.parametrize(
    ("change", "program", "message"),
    [
        (delete, FEW_OPEN, "its shard cannot be opened (No such file or directory)"),
        (replace, FEW_OPEN, "is damaged (its checksum differs from the index)"),
        (replace_by_another_size, FEW_OPEN, "its shard has "),
        (cut, "", "is cut off: the shard has become shorter"),
        (empty, FEW_OPEN, "its shard has 0 bytes, the manifest says "),
        (overwrite, "", "is damaged (its checksum differs from the index)"),
    ],
    ids=["deleted", "replaced", "replaced-by-another-size", "cut", "emptied", "overwritten"],
)
def test_f13_else_training_ends_with_3_and_names_shard_and_key(disturbed, undisturbed, copy, tmp_path, change, program, message):
    code, _, err = disturbed(change, program)
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith(f"error: {copy / SHARD}: image '")
    assert err.split("'")[1] in keys_in(copy, SHARD)
    assert message in err
    # Nothing was learnt from wrong pixels.
    done = results(records(tmp_path / "run"))
    assert done
    assert all(line in undisturbed for line in done)


def test_f13_with_the_shard_restored_training_goes_on_as_if_nothing_had_happened(disturbed, undisturbed, copy, tmp_path, shards, nursery):
    assert disturbed(cut)[0] == 3
    shutil.copy(shards / SHARD, copy / SHARD)
    assert nursery.start(flags(copy, tmp_path / "run", run__if_exists="resume", **OPTIONS)).finish()[0] == 0
    assert results(records(tmp_path / "run")) == undisturbed
