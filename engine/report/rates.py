"""Throughput and its verdict: does the GPU wait for data, by how much, and what to change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.journal.records import LoaderRecord
from engine.show.words import NOT_MEASURED, percent

DATA_BOUND_ABOVE = 0.05
"""Data wait share above which a run counts as data-bound."""

Verdict = Literal["compute-bound", "data-bound", "n/a"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Percentiles:
    """Percentiles of a time per step, in milliseconds, of one epoch."""

    epoch: int
    """Epoch, from 0, whose steps these are."""
    median: float
    """Half of the epoch's steps took less."""
    p95: float
    """95 of 100 steps took less."""
    p99: float
    """99 of 100 steps took less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Throughput:
    """How fast a run trained and what held it back. None where nothing was measured."""

    verdict: Verdict
    """`data-bound` when more than 5 % of the training time was spent waiting for a batch, else `compute-bound`."""
    sentence: str
    """By how much, and what to change."""
    images_per_second: float | None
    """Images trained on per second of training, over all ranks; warm-up and evaluation are left out."""
    data_wait_share: float | None
    """Share of the training time, 0 to 1, in which rank 0 stood still for the next batch; warm-up is left out."""
    warmup_seconds: float | None
    """Wait for the first batch, summed over the processes of a resumed run."""
    data_wait_ms: Percentiles | None
    """Wait per step in the epoch whose 99th percentile was worst."""
    step_ms: Percentiles | None
    """Whole step in the epoch whose 99th percentile was worst."""
    rss_anon_bytes: int | None
    """Most anonymous resident memory that rank 0 had at an epoch's end."""
    gpu_peak_bytes: int | None
    """Most memory torch had allocated on rank 0's GPU."""
    num_epochs: int
    """Epochs measured."""


def images_per_second(record: LoaderRecord) -> float | None:
    """Return one epoch's throughput, warm-up left out."""
    return record.num_images / record.seconds if record.seconds > 0 else None


def data_wait_share(record: LoaderRecord) -> float | None:
    """Return the share, 0 to 1, of one epoch's time that was spent waiting for data."""
    return min(1.0, record.data_wait_seconds / record.seconds) if record.seconds > 0 else None


def throughput(records: Sequence[LoaderRecord], *, from_features: bool = False) -> Throughput:
    """Return what the epochs' records say together.

    Args:
        records: One record per epoch; may be empty.
        from_features: The batches were features that had been computed before.
    """
    seconds = sum(record.seconds for record in records)
    share = min(1.0, sum(record.data_wait_seconds for record in records) / seconds) if seconds > 0 else None
    # Fetching features is a part of the work, not a wait for somebody else's.
    verdict = "compute-bound" if from_features and share is not None else verdict_of(share)
    peaks = [record.gpu_peak_bytes for record in records if record.gpu_peak_bytes is not None]
    return Throughput(
        verdict=verdict,
        sentence=sentence_of(verdict, share, on_gpu=bool(peaks), from_features=from_features),
        images_per_second=sum(record.num_images for record in records) / seconds if seconds > 0 else None,
        data_wait_share=share,
        warmup_seconds=sum(record.warmup_seconds for record in records) if records else None,
        data_wait_ms=_worst(records, lambda record: record.data_wait_ms),
        step_ms=_worst(records, lambda record: record.step_ms),
        rss_anon_bytes=max((record.rss_anon_bytes for record in records), default=None),
        gpu_peak_bytes=max(peaks, default=None),
        num_epochs=len(records),
    )


def verdict_of(share: float | None) -> Verdict:
    """Return the verdict on a data wait share, 0 to 1.

    >>> verdict_of(0.05), verdict_of(0.051), verdict_of(None)
    ('compute-bound', 'data-bound', 'n/a')
    """
    if share is None:
        return NOT_MEASURED
    return "data-bound" if share > DATA_BOUND_ABOVE else "compute-bound"


def sentence_of(verdict: Verdict, share: float | None, *, on_gpu: bool, from_features: bool = False) -> str:
    """Return the verdict's reason and what would change it."""
    if share is None:
        return "no training epoch has been measured"
    if from_features:
        return f"no image was decoded; fetching features took {percent(share)} of the training time, the heads the rest"
    if verdict == "data-bound" and not on_gpu:
        # More threads would take from training what they give to loading.
        return (
            f"on a CPU loading takes its time from training, {percent(share)} of it here; "
            "try smaller images or, with a frozen trunk, features.dir"
        )
    if verdict == "data-bound":
        return (
            f"a faster loader would save up to {percent(share)} of the training time; "
            "try more pipeline.threads, a longer pipeline.prefetch, smaller images"
        )
    return (
        f"the loader had a batch ready {percent(1 - share)} of the time; "
        "faster training needs a cheaper model step (precision bf16, a larger micro batch, compile)"
    )


def _worst(records: Sequence[LoaderRecord], times: Callable[[LoaderRecord], tuple[float, float, float]]) -> Percentiles | None:
    # Percentiles of epochs cannot be pooled: the worst epoch's are a true statement about its steps.
    if not records:
        return None
    worst = max(records, key=lambda record: times(record)[2])
    median, p95, p99 = times(worst)
    return Percentiles(epoch=worst.epoch, median=median, p95=p95, p99=p99)
