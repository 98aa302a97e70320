"""F-02: SIGKILL at every write, fsync, rename and removal of a checkpoint."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.loop.checkpoint import KEEP, latest_checkpoint, read_checkpoint, write_checkpoint
from tests.faults.interruptions import OPTIONS, snapshot, train
from tests.identical import differences
from tests.integration.conftest import flags
from tests.launch import ROOT

KINDS = {"before a folder is made", "before a write", "in a write", "before an fsync", "before a file's rename", "before a folder's rename"}
KINDS |= {"before a removal", "in a removal"}


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[dict, list[Path]]:
    """Folders with two checkpoints and what is left of the third, one folder for each place where a process can be killed."""
    out = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.faults.interruptions", str(out)]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout)
    return told, [out / str(number) for number in range(1, told["killed"] + 1)]


def test_f02_wherever_it_is_killed_there_is_a_whole_checkpoint_and_the_next_one_tidies_up(killed):
    told, folders = killed
    assert told["events"].keys() == KINDS
    assert told["killed"] == sum(told["events"].values()) == len(folders) >= 20
    newest = []
    for folder in folders:
        whole = [path for path in folder.iterdir() if not path.name.startswith(".")]
        assert 1 < len(whole) <= KEEP + 1, folder
        # Each of those with a final name, not only the newest.
        values = {path.name[-1]: read_checkpoint(path) for path in whole}
        for value, found in values.items():
            assert found.state == {"value": int(value)}
            expected = snapshot(int(value)).tensors
            assert all(torch.equal(found.tensors[file][name], tensor) for file in expected for name, tensor in expected[file].items())
        newest.append(max(values))
        # As the resumed run does: it comes to the same place again, and then to the next.
        for step in (3, 4):
            write_checkpoint(folder, 0, step, snapshot(step))
        assert sorted(path.name[-1] for path in folder.iterdir()) == ["3", "4"], folder
    # The third is not there until it is renamed, and is there ever after.
    assert newest == sorted(newest)
    assert set(newest) == {"2", "3"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_f02_a_run_that_is_killed_in_its_checkpoints_ends_identical(shards, nursery, calm, tmp_path, num_ranks):
    """Killed again and again, each time in another kind of place, and resumed by the same command."""
    words = flags(shards, tmp_path / "run", run__if_exists="resume", **OPTIONS)
    for kind in random.Random("F-02").sample(sorted(KINDS - {"in a removal"}), 4):
        ends = train(nursery, num_ranks, words, f"kill_at({1 if kind == 'in a write' else 2}, {kind!r}, 1)")
        assert ends[0] == -signal.SIGKILL, kind
        # Who is left alone says so and ends.
        assert all(end == 1 for end in ends[1:])
        newest = latest_checkpoint(tmp_path / "run" / "checkpoints")
        assert newest is None or read_checkpoint(newest).state["identity"]
    assert set(train(nursery, num_ranks, words)) == {0}
    assert differences(tmp_path / "run", calm[num_ranks - 1]) == []
