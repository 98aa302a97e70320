"""The cache of features when several ranks compute it together."""

import signal

import pytest

from tests.faults.feature_runs import assert_same, bytes_of, finished
from tests.integration.conftest import records, results

SLOW_TO_LOOK = """
from engine.loop.features import fill
missing = fill._missing
fill._missing = lambda *args: (name == "1" and time.sleep(0.3), missing(*args))[1]
"""


@pytest.mark.parametrize("addition", ["", SLOW_TO_LOOK], ids=["", "one-looks-late"])
def test_two_ranks_share_the_work_and_learn_the_same(runs, whole, addition):
    ends, run_dir, blocks = runs.finish(addition, ranks=2)
    assert (ends, blocks) == ([(0, "")] * 2, [[0, 2], [1, 3]])
    assert bytes_of(runs.features) == whole[0]
    for one, other in zip(results(records(run_dir)), results(records(whole[1])), strict=True):
        if one["record"] == "EpochRecord":
            assert one["task_losses"] == pytest.approx(other["task_losses"], rel=1e-5)
            assert one["active_shares"] == other["active_shares"]
        else:
            assert [metrics["loss"] for metrics in one["metrics"]] == pytest.approx(
                [metrics["loss"] for metrics in other["metrics"]], rel=1e-5
            )


def test_ranks_that_see_different_things_at_first_agree(runs, whole):
    """One sees everything there: the other run that computed it has just finished."""
    view = "from engine.loop.features import opening; opening.is_wanting = lambda *_: name == '1'"
    ends, _, blocks = runs.finish(view, ranks=2)
    assert (ends, blocks) == ([(0, "")] * 2, [[0, 2], [1, 3]])
    ends, _, blocks = runs.finish(view, ranks=2)
    assert (ends, blocks) == ([(0, "")] * 2, [[], []])
    assert bytes_of(runs.features) == whole[0]


def test_a_rank_that_is_killed_in_the_pass_ends_the_other_and_the_run_goes_on_with_one(runs, whole):
    ends, run_dir, _ = runs.finish("name == '1' and at(3, die_after_half_of_it)", ranks=2)
    assert ends[1][0] == -signal.SIGKILL
    assert ends[0][0] == 1
    assert ends[0][1].startswith("error: process 0: another process of this run has ended")
    assert ends[0][1].count("\n") == 1
    assert finished(runs.features) == [0, 1, 2]
    ends, run_dir, blocks = runs.finish()
    assert (ends, blocks) == ([(0, "")], [[3]])
    assert bytes_of(runs.features) == whole[0]
    assert_same(run_dir, whole[1])


def test_both_ranks_stop_at_a_signal(runs):
    ends, run_dir, blocks = runs.finish("at(1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))", ranks=2)
    assert [code for code, _ in ends] == [75, 75]
    assert sum(err.count("\n") for _, err in ends) == 1
    assert blocks == [[0], [1]]
    assert not run_dir.exists()


def test_ranks_that_do_not_share_a_disk_are_told_so(runs):
    """Each on a machine of its own, with the same path."""
    apart = "sys.argv = [word + name if word.endswith('/features') else word for word in sys.argv]"
    ends, run_dir, blocks = runs.finish(apart, ranks=2)
    assert blocks == [[0, 2], [1, 3]]
    assert [code for code, _ in ends] == [3, 3]
    assert all("is not here although all processes are done; name a folder that all of them have in common" in err for _, err in ends)
    assert not run_dir.exists()


# Two ranks meet, one of them long after the time limit of the collective calls; then one leaves for good.
PATIENT = """
import os, sys, time
from datetime import timedelta
from torch.distributed import distributed_c10d
distributed_c10d.default_pg_timeout = timedelta(seconds=1)
from accelerate import Accelerator
from engine.loop.features.rendezvous import Rendezvous
accelerator, looks = Accelerator(cpu=True), []
together = Rendezvous(accelerator, lambda: looks.append(1))
if accelerator.process_index:
    time.sleep(2.5)
together.meet()
print("met", len(looks) > 3, flush=True)
if accelerator.process_index:
    os._exit(7)
try:
    together.meet()
except RuntimeError as error:
    print("alone")
"""


def test_ranks_wait_longer_than_their_collective_calls_would_but_not_for_the_dead(nursery):
    ends = [child.finish() for child in nursery.start_two([], PATIENT)]
    assert [end[:2] for end in ends] == [(0, "met True\nalone\n"), (7, "met False\n")]
