"""One pass over an evaluation split, exact under any number of ranks."""

import time
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import nn

from engine.loop.metrics import split_metrics
from engine.pipeline.loader import Loader
from engine.records import EvalRecord


@torch.no_grad()
def evaluate(
    accelerator: Accelerator, model: nn.Module, loader: Loader, *, split: str, epoch: int, tasks: Sequence[str], majority: Sequence[bool]
) -> EvalRecord:
    """Return the split's metrics; every sample counts once.

    Each rank writes its samples' logits into a table of the whole split, and the tables are summed: their size is the same on
    every rank, whatever the tail of the split looks like, and the result does not depend on the number of ranks.

    Args:
        accelerator: Sums over the ranks.
        model: The prepared model; left in evaluation mode.
        loader: Loader of the split, at the beginning of an epoch.
        split: Its name.
        epoch: Epoch of the record.
        tasks: Task names.
        majority: Per task, whether the training split's more frequent class is 1.
    """
    start = time.perf_counter()
    model.eval()
    ids = loader.order.ids
    logits = torch.zeros(len(ids), len(tasks), device=accelerator.device)
    labels = torch.zeros(len(ids), len(tasks), device=accelerator.device)
    for _ in range(loader.order.steps_per_epoch):
        batch = next(loader)
        rows = (batch.ids[: batch.num_valid] - ids.start).to(accelerator.device)
        logits[rows] = model(batch.images).float()[: batch.num_valid]
        labels[rows] = batch.labels[: batch.num_valid].float()
    logits, labels = accelerator.reduce(logits).cpu(), accelerator.reduce(labels).cpu().to(torch.int8)
    return EvalRecord(
        epoch=epoch,
        split=split,
        num_samples=len(ids),
        metrics=split_metrics(logits, labels, tasks, majority),
        seconds=time.perf_counter() - start,
    )
