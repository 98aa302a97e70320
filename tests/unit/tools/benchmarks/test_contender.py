"""Who packs, and how well they did, by hand."""

from pathlib import Path

import pytest

from tools.benchmarks.contender import Contender, Score, contenders, scores
from tools.benchmarks.trial import Trial


@pytest.mark.parametrize(
    ("cores", "names"),
    [
        (1, ["ShardWriter", "header, 1 worker", "decode, 1 worker"]),
        (8, ["ShardWriter", "header, 1 worker", "decode, 1 worker", "header, 8 workers", "decode, 8 workers"]),
    ],
)
def test_both_checks_with_one_worker_and_with_one_per_core(monkeypatch, cores, names):
    monkeypatch.setattr("tools.benchmarks.contender.usable_cores", lambda: cores)
    assert [contender.name for contender in contenders()] == names


def test_what_a_contenders_process_is_told():
    assert Contender(writer="decode", workers=3).arguments(Path("faces"), Path("out")) == ("decode", "faces", "out", "3")


def test_the_scores_by_hand():
    reference, ours = Contender(writer="ShardWriter", workers=1), Contender(writer="header", workers=2)

    def trials(*runs: tuple[float, int]) -> list[Trial]:
        return [Trial(seconds=seconds, peak_anonymous_bytes=memory, figures={}) for seconds, memory in runs]

    assert scores(100, {reference: trials((4.0, 7), (5.0, 6), (9.0, 5)), ours: trials((2.0, 8), (1.0, 9), (3.0, 8))}) == {
        reference: Score(workers=1, images_per_second=20.0, ratio_to_shard_writer=1.0, seconds=(4.0, 5.0, 9.0), peak_anonymous_bytes=7),
        ours: Score(workers=2, images_per_second=50.0, ratio_to_shard_writer=2.5, seconds=(2.0, 1.0, 3.0), peak_anonymous_bytes=9),
    }
