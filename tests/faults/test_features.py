"""The cache of features when a run is killed or stopped while it computes, and when two runs want the same."""

import re
import signal
from pathlib import Path

import pytest

from shards.storage.lock import lock_folder
from tests.faults.conftest import eventually
from tests.faults.feature_runs import BLOCKS, NUM_IMAGES, assert_same, bytes_of, finished, written


def test_a_run_that_is_killed_again_and_again_computes_no_block_twice(runs, whole):
    """In the rows of the first block, in its entry, in the rows of the next, right after an entry, in the last entry."""
    done = []
    for place, found in ((1, []), (2, []), (3, [0]), (5, [0, 1, 2]), (2, [0, 1, 2])):
        kill = "die_after_half_of_it" if place != 5 else "lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
        before = bytes_of(runs.features) if done else {}
        ends, _, (blocks,) = runs.finish(f"at({place}, {kill})")
        assert [code for code, _ in ends] == [-signal.SIGKILL]
        assert finished(runs.features) == found
        assert not set(blocks) & set(done)
        rows = [content for name, content in bytes_of(runs.features).items() if name.endswith("features.bin")]
        size = len(rows[0]) // NUM_IMAGES * 256
        for block in done:
            old = next(content for name, content in before.items() if name.endswith("features.bin"))
            assert rows[0][block * size : (block + 1) * size] == old[block * size : (block + 1) * size]
        done = found
    ends, run_dir, blocks = runs.finish()
    assert (ends, blocks) == ([(0, "")], [[3]])
    assert bytes_of(runs.features) == whole[0]
    assert_same(run_dir, whole[1])
    # And nobody after it computes anything.
    assert runs.finish()[2] == [[]]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_in_the_pass_stops_with_75_and_the_same_command_goes_on(runs, whole, number):
    (end,), run_dir, (blocks,) = runs.finish(f"at(3, lambda *_: os.kill(os.getpid(), signal.{number}))")
    message = (
        rf"error: stopped by a signal while features were computed; what is finished stays in {runs.features}, and the same command goes"
    )
    assert end[0] == 75
    assert re.fullmatch(rf"{message} on\n", end[1])
    assert not run_dir.exists()
    assert blocks == finished(runs.features) == [0, 1]
    ends, run_dir, blocks = runs.finish()
    assert (ends, blocks) == ([(0, "")], [[2, 3]])
    assert bytes_of(runs.features) == whole[0]
    assert_same(run_dir, whole[1])


STALL = "at(3, lambda *_: stand_still('go'))"


@pytest.fixture
def two_at_once(runs) -> tuple:
    """A run that stands still in its second block, and one that waits for it."""
    first = runs.start(STALL)
    assert eventually((first[2] / "standing still").exists), first[0][0].communicate()
    second = runs.start()
    assert eventually((second[2] / "asks for the lock").exists), second[0][0].communicate()
    return first, second


def test_of_two_runs_at_once_one_computes_and_both_train(two_at_once, runs, whole):
    ((first,), *one), ((second,), *other) = two_at_once
    assert (first.poll(), second.poll()) == (None, None)
    (one[1] / "go").touch()
    assert [child.finish()[::2] for child in (first, second)] == [(0, "")] * 2
    assert (written(one[1]), written(other[1])) == (BLOCKS, [])
    assert bytes_of(runs.features) == whole[0]
    for run_dir in (one[0], other[0]):
        assert_same(run_dir, whole[1])


def test_a_killed_owners_work_is_taken_over(two_at_once, runs, whole):
    ((first,), *one), ((second,), *other) = two_at_once
    first.send_signal(signal.SIGKILL)
    assert second.finish()[::2] == (0, "")
    assert (written(one[1]), written(other[1])) == ([0, 1], [1, 2, 3])
    assert bytes_of(runs.features) == whole[0]
    assert_same(other[0], whole[1])


@pytest.mark.parametrize("ranks", [1, 2])
def test_who_waits_for_another_run_can_be_stopped(runs, whole, ranks):
    (name,) = {Path(path).parts[0] for path in whole[0]}
    with lock_folder(runs.features / name):
        children, run_dir, notes = runs.start(ranks=ranks)
        assert eventually((notes / "asks for the lock").exists), children[0].communicate()
        assert [child.poll() for child in children] == [None] * ranks
        for child in children:
            child.send_signal(signal.SIGTERM)
        ends = [child.finish()[::2] for child in children]
    assert ends[0][0] == 75
    assert ends[0][1].startswith("error: stopped by a signal while features were computed")
    assert all(code in (1, 75) and err.count("\n") <= 1 for code, err in ends)
    assert not run_dir.exists()
