"""How well a contender of `tools/benchmark loader` did."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.benchmarks.loader.contenders import DECODING, Contender
from tools.benchmarks.trial import Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A contender's rounds and how they compare."""

    images_per_second: float
    """Median of the rounds."""
    rounds: tuple[float, ...]
    """Images per second of each round."""
    ratio_to_torch: float | None
    """Its images per second divided by those of torch's DataLoader with Pillow; None where that did not run."""
    ratio_to_dali: float | None
    """The same, by those of DALI's webdataset reader."""
    share_of_decoding: float | None
    """The same, by what libjpeg-turbo decodes alone."""
    peak_anonymous_bytes: int
    """Most RssAnon of all its processes together, in any round."""


def rates(rounds: Sequence[Trial]) -> tuple[float, ...]:
    """Return the images per second of each round."""
    return tuple(trial.figures["images"] / trial.seconds for trial in rounds)


def scores(trials: Mapping[Contender, Sequence[Trial]]) -> dict[Contender, Score]:
    """Compare whoever has run.

    Args:
        trials: Rounds of each.
    """
    medians = {who: statistics.median(rates(rounds)) for who, rounds in trials.items()}
    by_name = {who.name: median for who, median in medians.items()}

    def ratio(rate: float, name: str) -> float | None:
        return rate / by_name[name] if name in by_name else None

    return {
        who: Score(
            images_per_second=medians[who],
            rounds=rates(rounds),
            ratio_to_torch=ratio(medians[who], "torch"),
            ratio_to_dali=ratio(medians[who], "dali"),
            share_of_decoding=ratio(medians[who], DECODING.name),
            peak_anonymous_bytes=max(trial.peak_anonymous_bytes for trial in rounds),
        )
        for who, rounds in trials.items()
    }
