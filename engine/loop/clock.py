"""One clock for the training loop: how long each step took, and how much of it was waiting for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from engine.journal.records import LoaderRecord


class Clock:
    """Times the steps of one epoch on one rank.

    On a GPU the host runs ahead of the device, so a single step's time is the host's; sums over reported steps are true, because
    the loop synchronises there.
    """

    def __init__(self, *, warm: bool) -> None:
        """Start the epoch.

        Args:
            warm: The loader has delivered before; if not, the first wait is start-up, not data shortage.
        """
        self._waits: list[float] = []
        self._steps: list[float] = []
        self._warmup = 0.0
        self._warm = warm
        self._last = time.perf_counter()
        self._reported = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the wait for a batch."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        if self._warm:
            self._waits.append(seconds)
        else:
            self._warm, self._warmup = True, seconds
            self._waits.append(0.0)
            self._last += seconds

    def step_done(self) -> None:
        """Close the step that began when the one before it was closed."""
        now = time.perf_counter()
        self._steps.append(now - self._last)
        self._last = now

    def pause_over(self) -> None:
        """Leave the time since the last step out (a checkpoint was written)."""
        self._last = time.perf_counter()

    def since_last_report(self, images_per_step: int) -> tuple[float, float]:
        """Return images per second and the share of the time spent waiting, over the steps since the last call."""
        steps, waits = self._steps[self._reported :], self._waits[self._reported :]
        self._reported = len(self._steps)
        seconds = max(sum(steps), 1e-9)
        return len(steps) * images_per_step / seconds, min(1.0, sum(waits) / seconds)

    def record(self, *, epoch: int, num_images: int, gpu_peak_bytes: int | None) -> LoaderRecord:
        """Return the epoch's figures."""
        return LoaderRecord(
            epoch=epoch,
            num_images=num_images,
            seconds=sum(self._steps),
            data_wait_seconds=sum(self._waits),
            warmup_seconds=self._warmup,
            data_wait_ms=_percentiles_ms(self._waits),
            step_ms=_percentiles_ms(self._steps),
            rss_anon_bytes=_rss_anon_bytes(),
            gpu_peak_bytes=gpu_peak_bytes,
        )


def _percentiles_ms(seconds: list[float]) -> tuple[float, float, float]:
    if not seconds:  # resumed exactly at the epoch's end
        return 0.0, 0.0, 0.0
    median, high, highest = np.percentile(np.array(seconds) * 1000, [50, 95, 99]).tolist()
    return median, high, highest


def _rss_anon_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 (a file of the kernel, once per epoch)
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))
