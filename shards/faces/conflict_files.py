"""The files of a conflict set: a table of labels that can be missing, and a note of what is planted."""

import dataclasses
import json
from collections.abc import Collection, Sequence
from typing import Any

from shards.annotations import SPLITS
from shards.faces.conflict import NOT_LABELLED, Labels, Plant, PlantedTask
from shards.faces.layout import image_name

LABEL_FILE = "labels.csv"
NOTE_FILE = "conflict.json"


def label_text(tasks: Sequence[PlantedTask], labels: Labels) -> str:
    """Return a CSV table, as Kaggle has CelebA's; an empty cell means not labelled, which CelebA's own text file cannot say."""
    cells = {1: "1", 0: "0", NOT_LABELLED: ""}
    header = ",".join(("image_id", *(task.name for task in tasks)))
    rows = (",".join((image_name(index), *map(cells.__getitem__, row))) for index, row in enumerate(labels.written.tolist()))
    return "\n".join((header, *rows, ""))


def note_text(seed: int, leave_out: Collection[Plant], tasks: Sequence[PlantedTask], labels: Labels) -> str:
    """Return what is planted in each task, and what came of it in each split, as JSON.

    `agreement` in `planted` is what was asked for; in `counts`, `agreeing` is the number of labelled faces on which the sources agree.
    """
    note = {
        "seed": seed,
        "num_images": len(labels.written),
        "left_out": sorted(set(leave_out)),
        "tasks": [{"planted": dataclasses.asdict(task), "counts": _counts(tasks, column, labels)} for column, task in enumerate(tasks)],
    }
    return json.dumps(note, indent=2) + "\n"


def _counts(tasks: Sequence[PlantedTask], column: int, labels: Labels) -> dict[str, Any]:
    bounds = (0, *labels.starts, len(labels.written))
    names = [task.name for task in tasks]
    partner = names.index(tasks[column].tied_to) if tasks[column].tied_to else None
    counts = {}
    for split, start, end in zip(SPLITS, bounds[:-1], bounds[1:], strict=True):
        written, true = labels.written[start:end, column], labels.true[start:end]
        labelled = written != NOT_LABELLED
        counts[split] = {
            "images": end - start,
            "labelled": int(labelled.sum()),
            "positive": int((written == 1).sum()),
            "wrong": int((labelled & (written != true[:, column])).sum()),
        }
        if partner is not None:
            counts[split]["agreeing"] = int((labelled & (true[:, column] == true[:, partner])).sum())
    return counts
