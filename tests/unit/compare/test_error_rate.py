"""How often a comparison calls a difference where there is none: the figures of docs/decisions.md."""

import numpy as np
import pytest

from engine.compare.bootstrap import Resamples, p_value
from engine.compare.findings import SIGNIFICANT
from engine.compare.statistics import seeds_p

NUM_SAMPLES, NUM_COMPARISONS = 2000, 300


def without_effect(num_seeds, chance):
    """Answers of two variants that differ by the luck of the seed alone; samples are as hard for one as for the other."""
    labels = (chance.random((NUM_SAMPLES, 1)) < 0.4).astype(np.int8)
    ease = chance.normal(1.2, 1.0, (NUM_SAMPLES, 1))
    answers = []
    for _ in range(2):
        luck = chance.normal(0, 0.1, (num_seeds, 1, 1))
        right = ease + luck + chance.normal(0, 0.5, (num_seeds, NUM_SAMPLES, 1)) > 0
        answers.append(np.where(right, labels == 1, labels == 0))
    return answers, labels


def error_rates(num_seeds):
    """Shares of comparisons that the bootstrap alone, and that both tests together, call a difference."""
    chance, calls = np.random.default_rng(num_seeds), []
    for _ in range(NUM_COMPARISONS):
        answers, labels = without_effect(num_seeds, chance)
        bootstrap = p_value(Resamples(answers, labels, "accuracy", num_resamples=300).differences(0, 1)[:, -1])
        accuracies = [(answered == (labels == 1)).mean((1, 2)) for answered in answers]
        by_seeds = seeds_p(accuracies[0] - accuracies[1])
        calls.append((bootstrap < SIGNIFICANT, by_seeds is not None and max(bootstrap, by_seeds) < SIGNIFICANT))
    return np.mean(calls, axis=0).tolist()


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_the_bootstrap_alone_errs_often_and_both_tests_together_do_not(num_seeds):
    alone, together = error_rates(num_seeds)
    assert alone > 0.12
    assert together < 0.08
