"""Rates, ratios and shares, by hand."""

from tools.benchmarks.loader.contenders import CONTENDERS, DECODING
from tools.benchmarks.loader.score import Score, rates, scores
from tools.benchmarks.trial import Trial

BY_NAME = {contender.name: contender for contender in CONTENDERS}


def trials(*runs: tuple[float, int, int]) -> list[Trial]:
    return [Trial(seconds=seconds, peak_anonymous_bytes=memory, figures={"images": images}) for seconds, images, memory in runs]


def test_a_rounds_rate_is_its_own_images_by_its_own_seconds():
    assert rates(trials((2.0, 100, 1), (4.0, 100, 1), (1.0, 10, 1))) == (50.0, 25.0, 10.0)


def test_ratios_are_of_medians_and_memory_is_the_most():
    ours, dali, torch = (BY_NAME[name] for name in ("dropstream", "dali", "torch"))
    results = scores(
        {
            ours: trials((1.0, 100, 7), (1.0, 60, 9), (1.0, 80, 8)),
            dali: trials((1.0, 40, 1)),
            torch: trials((1.0, 10, 1), (1.0, 30, 1)),
            DECODING: trials((1.0, 160, 1)),
        }
    )
    assert results[ours] == Score(
        images_per_second=80.0,
        rounds=(100.0, 60.0, 80.0),
        ratio_to_torch=4.0,
        ratio_to_dali=2.0,
        share_of_decoding=0.5,
        peak_anonymous_bytes=9,
    )
    assert (results[torch].ratio_to_torch, results[torch].ratio_to_dali, results[DECODING].share_of_decoding) == (1.0, 0.5, 1.0)


def test_no_ratio_to_who_has_not_run():
    ours = BY_NAME["dropstream"]
    score = scores({ours: trials((1.0, 5, 1))})[ours]
    assert (score.ratio_to_torch, score.ratio_to_dali, score.share_of_decoding) == (None, None, None)
