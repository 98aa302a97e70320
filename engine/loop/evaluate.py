"""One pass over an evaluation split, exact under any number of ranks."""

import time
from collections.abc import Callable

import torch

from engine.loop.metrics import split_metrics
from engine.loop.parts import Parts
from engine.pipeline.loader import Loader
from engine.records import EvalRecord
from shards.errors import DivergenceError


@torch.no_grad()
def evaluate(parts: Parts, loader: Loader, *, split: str, epoch: int, should_stop: Callable[[], bool]) -> EvalRecord | None:
    """Return the split's metrics, every sample counted once; None when it was asked to stop on the way.

    Each rank writes its samples' logits into a table of the whole split, and the tables are summed: their size is the same on
    every rank, whatever the tail of the split looks like, and the result does not depend on the number of ranks.

    Args:
        parts: Model, ranks and tasks; the model is left in evaluation mode.
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
    labels = torch.zeros(len(order.ids), len(tasks), device=accelerator.device)
    num_samples = torch.zeros(1, dtype=torch.int64, device=accelerator.device)
    for step in range(order.steps_per_epoch):
        batch = next(loader)
        num_samples += batch.num_valid - batch.num_skipped
        # Nothing is shuffled: a rank's part of a batch is a piece of the table.
        first = step * order.batch_size + accelerator.process_index * len(batch.images)
        rows = slice(first, first + batch.num_valid)
        logits[rows] = parts.model(batch.images).float()[: batch.num_valid]
        labels[rows] = batch.labels[: batch.num_valid].float()
        if should_stop():
            return None
    logits, labels = accelerator.reduce(logits).cpu(), accelerator.reduce(labels).cpu().to(torch.int8)
    finite = logits.isfinite().all(0).tolist()
    if not all(finite):
        raise DivergenceError(
            f"epoch {epoch}: the model's {split} output for task {tasks[finite.index(False)]!r} is not finite; lower optimizer.lr"
        )
    return EvalRecord(
        epoch=epoch,
        split=split,
        num_samples=int(accelerator.reduce(num_samples).item()),
        metrics=split_metrics(logits, labels, tasks, parts.majority),
        seconds=time.perf_counter() - start,
    )
