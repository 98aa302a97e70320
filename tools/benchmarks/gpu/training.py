"""Training runs inside a measurement's process, and what they left."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate.state import AcceleratorState, PartialState

from engine.command_line import parse
from engine.journal.history import RunHistory, read_history
from engine.journal.records import LoaderRecord
from engine.run.construction import Shared
from engine.run.run import run
from tools.benchmarks.gpu.work import Work

Setting = str | int | float | bool | Path


@contextmanager
def scratch(work: Work) -> Iterator[Path]:
    """A folder for runs, which goes at the end: checkpoints of a whole VGG16 are large."""
    with tempfile.TemporaryDirectory(prefix="runs-", dir=work.folder) as name:
        yield Path(name)


def train(work: Work, run_dir: Path, shared: Shared | None = None, **changed: Setting) -> RunHistory:
    """Train with bf16 on random weights and return what the run told.

    Args:
        work: Sizes and device.
        run_dir: The run's folder.
        shared: Frozen trunks that earlier runs have built.
        **changed: Settings, `train__epochs=2` for `train.epochs 2`.

    Raises:
        DropstreamError: The run failed.
    """
    settings: dict[str, Setting] = {
        "data.shards": work.shards,
        "run.dir": run_dir,
        "pipeline.image_size": work.image_size,
        "model.trunk": work.trunk,
        "model.tap": work.tap,
        "model.weights": "none",
        "train.epochs": 1,
        "train.batch_size": work.batch_size,
        "train.precision": "bf16",
        "report.console": "quiet",
        "report.page": False,
    }
    settings |= {name.replace("__", "."): value for name, value in changed.items()}
    try:
        run(parse([word for name, value in settings.items() for word in (f"--{name}", str(value))]), shared)
    finally:
        # Accelerate keeps precision and device for the life of a process.
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 (Accelerate has no public way)
        PartialState._reset_state()  # noqa: SLF001
    return read_history(run_dir)


def images_per_second(record: LoaderRecord) -> float:
    """Return the rate of an epoch's steps, waiting included."""
    return record.num_images / record.seconds


def in_words(record: LoaderRecord) -> str:
    """Return how long an epoch's steps took, and how long they waited."""
    waited, (median, high, _) = record.data_wait_seconds / record.seconds, record.step_ms
    return f"{waited:.1%} data wait; step p50 {median:.2f}, p95 {high:.2f} ms"
