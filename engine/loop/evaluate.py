"""One pass over an evaluation split, exact under any number of ranks."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import broadcast
from jaxtyping import Float, Int
from torch import Tensor

from engine.journal.predictions import Predictions
from engine.journal.records import EvalRecord
from engine.loop.metrics import split_metrics
from engine.loop.training_parts import TrainingParts
from engine.pipeline.loader import Loader
from shards.errors import DivergenceError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """What a pass over a split found, the same on every rank."""

    record: EvalRecord
    """Each task's metrics."""
    logits: Float[Tensor, "sample task"]
    """float32, one row per sample in the order of their ids, on the CPU."""
    labels: Int[Tensor, "sample task"]
    """int8: 1, 0, or -1 for not labelled."""


def share_statistics(parts: TrainingParts) -> None:
    """Give every rank the first one's batch statistics, which are those that are kept. A collective call.

    Each rank collects them from its own samples. The wrapper that sums gradients hands them on before training steps, but not before an
    evaluation, and not to the steps of a balancer that goes past it.
    """
    if parts.accelerator.num_processes > 1 and not parts.module.trunk.is_frozen():
        for buffer in parts.module.buffers():
            broadcast(buffer)


@torch.no_grad()
def evaluate(parts: TrainingParts, loader: Loader, *, split: str, epoch: int, should_stop: Callable[[], bool]) -> Evaluation | None:
    """Return the split's metrics, every sample counted once; None when it was asked to stop on the way.

    Each rank writes its samples' logits into a table of the whole split, and the tables are summed: their size is the same on
    every rank, whatever the tail of the split looks like, and the result does not depend on the number of ranks.

    Args:
        parts: Model, ranks and tasks; the model is left in evaluation mode, and the thresholds have seen the split.
        loader: Loader of the split, at the beginning of an epoch.
        split: Its name.
        epoch: Epoch of the record.
        should_stop: Asked after each batch, on every rank; must answer the same on all.

    Raises:
        DivergenceError: The model's answers are not finite; the message names the task.
    """
    start = time.perf_counter()
    parts.model.eval()
    accelerator, tasks, order = parts.accelerator, parts.module.tasks, loader.order
    logits = torch.zeros(len(order.ids), len(tasks), device=accelerator.device)
    labels = torch.zeros(len(order.ids), len(tasks), dtype=torch.int8, device=accelerator.device)
    num_samples = 0
    for step in range(order.steps_per_epoch):
        batch = next(loader)
        num_samples += batch.num_valid - batch.num_skipped
        # Nothing is shuffled: a rank's part of a batch is a piece of the table.
        first = step * order.batch_size + accelerator.process_index * len(batch)
        rows = slice(first, first + batch.num_valid)
        logits[rows] = parts.model(batch.inputs).float()[: batch.num_valid]
        labels[rows] = batch.labels[: batch.num_valid]
        if should_stop():
            return None
    logits, labels = accelerator.reduce(logits).cpu(), accelerator.reduce(labels).cpu()
    finite = logits.isfinite().all(0).tolist()
    if not all(finite):
        raise DivergenceError(
            f"epoch {epoch + 1}: the model's {split} output for task {tasks[finite.index(False)]!r} is not finite; lower optimizer.lr"
        )
    total = int(accelerator.reduce(torch.tensor(num_samples, device=accelerator.device)).item())
    parts.thresholds.see(split, logits, labels)
    metrics = split_metrics(logits, labels, tasks, parts.majority, parts.thresholds.values)
    record = EvalRecord(epoch=epoch, split=split, num_samples=total, metrics=metrics, seconds=time.perf_counter() - start)
    return Evaluation(record=record, logits=logits, labels=labels)


def predictions_of(found: Evaluation, parts: TrainingParts, loader: Loader) -> Predictions:
    """Return what the model answered in the evaluation that has just been made.

    Args:
        found: The evaluation.
        parts: As they were in it.
        loader: Its loader.
    """
    return Predictions(
        logits=found.logits.numpy(),
        labels=found.labels.numpy(),
        thresholds=np.array(parts.thresholds.values, np.float32),
        tasks=parts.module.tasks,
        ids=np.asarray(loader.order.ids, np.int64),
    )
