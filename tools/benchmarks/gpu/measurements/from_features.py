"""8: training from features: microseconds per step, eager and compiled, with the same losses."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from engine.journal.history import RunHistory
from engine.run.construction import Shared
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.measurements.feature_pass import features_folder
from tools.benchmarks.gpu.training import scratch, train
from tools.benchmarks.gpu.work import Work


def measure(work: Work) -> Iterator[Figure]:
    """Yield times of a step; every epoch ends with a synchronisation."""
    shared = Shared()
    with scratch(work) as folder:
        for scheduler in ("mtl", "dst"):
            plain = _train(work, folder, shared, scheduler, compiled=False)
            yield _step(work, f"{scheduler}, eager", plain, "about 1,000")
            compiled = _train(work, folder, shared, scheduler, compiled=True)
            yield _step(work, f"{scheduler}, compiled", compiled, "below eager")
            yield Figure(what=f"{scheduler}: until it is compiled", value=_start_seconds(compiled), unit="s", expected="10 to 15")
            yield Figure(
                what=f"{scheduler}: largest relative difference of a task's epoch loss",
                value=_difference(plain, compiled),
                expected="below 0.001",
            )


def _train(work: Work, folder: Path, shared: Shared, scheduler: str, *, compiled: bool) -> RunHistory:
    return train(
        work,
        folder / f"{scheduler} {compiled}",
        shared,
        features__dir=features_folder(work),
        scheduler__name=scheduler,
        model__compile=compiled,
        train__epochs=work.feature_epochs,
        # Once an epoch: each report waits for the device.
        report__every=10**6,
    )


def _step(work: Work, what: str, history: RunHistory, expected: str) -> Figure:
    epochs = [record.seconds for record in history.loaders.values()]
    seconds, steps = statistics.median(epochs), work.num_train // work.batch_size
    rate, whole = work.num_train / seconds, history.ends[-1].seconds
    note = f"{rate:,.0f} samples/s; fastest epoch {1e6 * min(epochs) / steps:,.0f} us; {whole:.1f} s in all"
    return Figure(what=f"step, {what}", value=1e6 * seconds / steps, unit="us", note=note, expected=expected)


def _start_seconds(history: RunHistory) -> float:
    epochs = [record.seconds + record.warmup_seconds for record in history.loaders.values()]
    return epochs[0] - statistics.median(epochs)


def _difference(one: RunHistory, other: RunHistory) -> float:
    losses = [[loss for epoch in sorted(history.epochs) for loss in history.epochs[epoch].task_losses] for history in (one, other)]
    return max(abs(mine - its) / mine for mine, its in zip(*losses, strict=True))
