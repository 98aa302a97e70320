"""10: fp16 with its loss scale, a run that is killed and resumed, and a damaged image that no checksum catches."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
from accelerate.optimizer import AcceleratedOptimizer

from engine.journal.history import RunHistory
from engine.loop.step import TrainStep
from engine.run.construction import Shared
from shards.dataset import ShardDataset
from shards.errors import DataError
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.training import scratch, train
from tools.benchmarks.gpu.work import Work


class _Killed(BaseException):
    """The process is gone, as far as the run can tell."""


class _Steps:
    """Counts steps and those that the scaler skipped; ends the run in one of them if it is told to."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.num_steps = self.num_skipped = 0
        self.scale: float | None = None
        self._kill_at = kill_at

    def watch(self) -> Any:  # noqa: ANN401 (a patch)
        step = TrainStep.__call__

        def counted(itself: TrainStep, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            if self.num_steps == self._kill_at:
                raise _Killed
            outcome = step(itself, *arguments, **options)
            self.num_steps += 1
            scaler = itself._accelerator.scaler  # noqa: SLF001
            if scaler is not None:
                self.num_skipped += bool(cast("AcceleratedOptimizer", itself._optimizer).step_was_skipped)  # noqa: SLF001
                self.scale = scaler.get_scale()
            return outcome

        return patch.object(TrainStep, "__call__", counted)


def measure(work: Work) -> Iterator[Figure]:
    """Yield the scale, the skipped steps, whether a killed run ends as an undisturbed one, and what a damaged image does."""
    shared = Shared()
    with scratch(work) as folder:
        steps = _Steps()
        with steps.watch():
            whole = _train(work, folder / "whole", shared)
        if steps.scale is not None:
            yield Figure(what="loss scale at the end", value=steps.scale, expected="a power of two, 1024 or more")
            note = f"of {steps.num_steps}"
            yield Figure(what="steps that the scaler skipped", value=steps.num_skipped, note=note, expected="a few, at the start")
        # Between two checkpoints.
        kill_at, every = work.few_steps * 3 // 4, max(1, work.few_steps // 4)
        with suppress(_Killed), _Steps(kill_at).watch():
            _train(work, folder / "cut", shared, train__checkpoint_every=every)
        resumed = _train(work, folder / "cut", shared, train__checkpoint_every=every, run__if_exists="resume")
        same = whole.epochs == resumed.epochs and whole.evals.keys() == resumed.evals.keys()
        words = "the same bit for bit" if same else "different"
        yield Figure(what="killed and resumed, against undisturbed: losses", value=words, expected="the same bit for bit")
        yield from _damaged(work, folder, shared)


def _train(work: Work, run_dir: Path, shared: Shared, **changed: Any) -> RunHistory:  # noqa: ANN401 (settings)
    precision = "fp16" if work.device == "cuda" else "bf16"
    limit = min(work.few_steps * work.batch_size, work.num_train)
    return train(work, run_dir, shared, **{"train__precision": precision, "data__limit": limit, "report__every": 1} | changed)


def _damaged(work: Work, folder: Path, shared: Shared) -> Iterator[Figure]:
    """Yield what becomes of an image whose second half is zeros, where checksums are off."""
    copy = Path(shutil.copytree(work.shards, folder / "shards"))
    dataset = ShardDataset(copy)
    # Among the first few: the limit takes the first of the split.
    row = dataset.index[work.batch_size // 2]
    with dataset.shard_path(int(row["shard"])).open("r+b") as shard:
        shard.seek(int(row["offset"]) + int(row["size"]) // 2)
        shard.write(np.zeros(int(row["size"]) - int(row["size"]) // 2, np.uint8).tobytes())
    for decoder in ("auto", "cpu") if work.device == "cuda" else ("auto",):
        settings = {"data__shards": copy, "pipeline__check_crc": False, "pipeline__on_bad_sample": "skip", "pipeline__decoder": decoder}
        try:
            skipped = len(_train(work, folder / f"damaged {decoder}", shared, **settings).skipped)
            outcome = "told and skipped" if skipped == 1 else "taken for an image" if not skipped else f"{skipped} images skipped"
        except DataError as error:
            outcome = f"run ended: {error}"[:80]
        yield Figure(what=f"half an image without a checksum, decoder {decoder}", value=outcome, expected="told and skipped, or taken")
