"""F-06, F-09: SIGTERM and SIGINT in the middle of a step, an evaluation and a checkpoint, once and twice, on one process and on two."""

import pytest

from engine.loop.checkpoint import latest_checkpoint, read_checkpoint
from tests.faults.interruptions import OPTIONS, train
from tests.identical import differences
from tests.integration.conftest import flags, records

SIGNALS = {
    "one process": (1, "SIGTERM", ("0",), 1),
    "one process twice": (1, "SIGINT", ("0",), 2),
    # A scheduler tells one process, a terminal all of them; people press twice.
    "two": (2, "SIGTERM", ("0", "1"), 1),
    "two twice": (2, "SIGINT", ("0", "1"), 2),
    "the second of two twice": (2, "SIGTERM", ("1",), 2),
}


@pytest.mark.parametrize("case", SIGNALS)
@pytest.mark.parametrize("place", ["step", "evaluation", "saving"])
def test_f06_a_signal_stops_with_75_and_a_checkpoint_and_the_end_is_identical(shards, nursery, calm, tmp_path, place, case):
    num_ranks, number, ranks, times = SIGNALS[case]
    run_dir = tmp_path / "run"
    words = flags(shards, run_dir, run__if_exists="resume", **OPTIONS)
    ends = train(nursery, num_ranks, words, f"signal_at({place!r}, signal.{number}, {ranks}, after=1, times={times})")
    assert set(ends) == {75}
    assert [line["reason"] for line in records(run_dir) if line["record"] == "EndRecord"] == ["stopped"]
    newest = latest_checkpoint(run_dir / "checkpoints")
    # The step is done to its end; an evaluation is done again; behind a checkpoint comes one more step.
    state = read_checkpoint(newest).state
    assert (state["epoch"], state["step"]) in {"step": [(0, 2)], "evaluation": [(0, 6)], "saving": [(0, 3), (0, 5)]}[place]
    assert set(train(nursery, num_ranks, words)) == {0}
    assert differences(run_dir, calm[num_ranks - 1]) == []
