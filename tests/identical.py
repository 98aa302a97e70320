"""Whether a run that was disturbed ended like one that was not."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.journal.predictions import PREDICTIONS, read_predictions
from engine.loop.checkpoint import CHECKPOINTS, latest_checkpoint
from engine.loop.weights_file import WEIGHTS

_TIMING = ("seconds", "images_per_second", "data_wait_share")


def last_of_each(run_dir: Path) -> dict[str, dict[str, Any]]:
    """What a run learnt, step by step: the last record of each step, epoch and evaluation, without what only tells the time."""
    kept = {}
    for line in (run_dir / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["record"] in ("StepRecord", "EpochRecord", "EvalRecord"):
            place = (record["record"], record["epoch"], record.get("step"), record.get("split"))
            kept[str(place)] = {name: value for name, value in record.items() if name not in _TIMING}
    return kept


def differences(run_dir: Path, calm: Path) -> list[str]:
    """Return what differs, in words: weights, the last checkpoint with its optimiser and scheduler, predictions, records, masks, losses."""
    found = []
    if (run_dir / WEIGHTS).read_bytes() != (calm / WEIGHTS).read_bytes():
        found.append(WEIGHTS)
    ours, theirs = (latest_checkpoint(folder / CHECKPOINTS) for folder in (run_dir, calm))
    assert ours is not None
    assert theirs is not None
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (ours, theirs)]
    found += [f"{ours.name}/{name}" for name in files[0].keys() | files[1].keys() if files[0].get(name) != files[1].get(name)]
    answers = [read_predictions(folder) for folder in (run_dir, calm)]
    if answers[0].tasks != answers[1].tasks or any(
        not np.array_equal(getattr(answers[0], name), getattr(answers[1], name)) for name in ("logits", "labels", "thresholds", "ids")
    ):
        found.append(PREDICTIONS)
    records = [last_of_each(folder) for folder in (run_dir, calm)]
    found += [place for place in records[0].keys() | records[1].keys() if records[0].get(place) != records[1].get(place)]
    return sorted(found)
