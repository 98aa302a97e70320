"""A rank that evaluates tables of logits; see `test_evaluate.py`."""

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from accelerate import Accelerator

from engine.loop.evaluate import Evaluation, evaluate
from engine.loop.thresholds import Thresholds
from engine.pipeline.batch import Batch
from engine.pipeline.order import Order
from shards.errors import DivergenceError
from tests.unit.loop.reference import MAJORITY, TASKS, random_table

SIZES = (1, 7, 8, 13, 129)
BATCH_SIZE = 8
FIRST_ID = 1000
SKIPPED = 3
"""Sample that is damaged where there are so many."""
BROKEN = 12
"""Sample of the second rank in whose logits one is not finite, where that is asked for."""


class TableLoader:
    """The samples' numbers in place of their images; what is padding looks like the last sample."""

    def __init__(self, labels: np.ndarray, accelerator: Accelerator) -> None:
        self.order = Order(ids=range(FIRST_ID, FIRST_ID + len(labels)), batch_size=BATCH_SIZE)
        self._labels, self._accelerator, self._step = labels, accelerator, 0

    def __next__(self) -> Batch:
        global_ids = self.order.batch(0, self._step)
        own = self.order.slice_of(global_ids, self._accelerator.process_index, self._accelerator.num_processes)
        self._step += 1
        rows = own.ids - FIRST_ID
        labels = self._labels[rows].copy()
        labels[own.num_valid :] = -1
        known = self._labels[global_ids - FIRST_ID] >= 0
        return Batch(
            images=torch.from_numpy(rows).float()[:, None, None, None].expand(-1, 3, 1, 1),
            labels=torch.from_numpy(labels),
            ids=torch.from_numpy(own.ids),
            num_valid=own.num_valid,
            num_skipped=int(SKIPPED in rows[: own.num_valid]),
            num_labelled=torch.from_numpy(known.sum(0)).float(),
            has_labels=known.any(0),
        )


class TableModel(torch.nn.Module):
    """Looks the logits up."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self._logits = torch.from_numpy(logits)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self._logits[images[:, 0, 0, 0].long()]


def table(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels as an evaluation should find them."""
    logits, labels = random_table(num_samples)
    labels[SKIPPED : SKIPPED + 1] = -1
    return logits, labels


def evaluated(
    accelerator: Accelerator, tables: tuple[np.ndarray, np.ndarray], thresholds: Thresholds, split: str, should_stop=lambda: False
) -> Evaluation | None:
    logits, labels = tables
    parts = SimpleNamespace(
        accelerator=accelerator,
        module=SimpleNamespace(tasks=TASKS),
        model=TableModel(logits),
        majority=MAJORITY,
        thresholds=thresholds,
    )
    return evaluate(parts, TableLoader(labels, accelerator), split=split, epoch=4, should_stop=should_stop)


def main() -> None:
    """Evaluate tables of all sizes and write what this rank found."""
    accelerator = Accelerator(cpu=True)
    found = {"world_size": accelerator.num_processes}
    for num_samples in SIZES:
        thresholds = Thresholds(len(TASKS), "val")
        for split, tables in (("val", table(num_samples)), ("test", tuple(array[::-1].copy() for array in table(num_samples)))):
            result = evaluated(accelerator, tables, thresholds, split)
            same = (torch.equal(its, torch.from_numpy(given)) for its, given in zip((result.logits, result.labels), tables, strict=True))
            found[f"{split} {num_samples}"] = dataclasses.asdict(result.record) | {"same_table": all(same)}
    logits, labels = table(13)
    answers = iter([False, True])
    stopped = evaluated(accelerator, (logits, labels), Thresholds(len(TASKS), "half"), "val", lambda: next(answers))
    found["stopped"] = stopped is None
    logits[BROKEN, 2] = np.nan
    try:
        evaluated(accelerator, (logits, labels), Thresholds(len(TASKS), "half"), "val")
    except DivergenceError as error:
        found["divergence"] = str(error)
    (Path(sys.argv[1]) / f"rank-{accelerator.process_index}.json").write_text(json.dumps(found))
    accelerator.end_training()
