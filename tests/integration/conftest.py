"""A training run small enough for a test: 52 images of 32 pixels, six steps an epoch."""

import json
from pathlib import Path

from engine.command_line import parse
from engine.run.run import run

SMALL = {
    "data.tasks": "Young Bald Bangs",
    "pipeline.image_size": "32",
    "pipeline.threads": "1",
    "model.trunk": "vgg11",
    "model.weights": "none",
    "model.train_from": "all",
    "model.tap": "pool3",
    "model.hidden": "16",
    "train.epochs": "3",
    "train.batch_size": "8",
    "report.every": "2",
    "report.console": "plain",
}


def flags(shards: Path, run_dir: Path, **options) -> list[str]:
    """Command-line arguments; `train__epochs=2` stands for `--train.epochs 2`."""
    settings = SMALL | {"data.shards": str(shards), "run.dir": str(run_dir)}
    settings |= {name.replace("__", "."): str(value) for name, value in options.items()}
    return [word for name, value in settings.items() for word in (f"--{name}", *(value.split() if name == "data.tasks" else [value]))]


def train(shards: Path, run_dir: Path, **options) -> list[dict]:
    """Train in this process and return the run's records."""
    run(parse(flags(shards, run_dir, **options)))
    return records(run_dir)


def forget_end(run_dir: Path) -> None:
    """Make a finished run look as if it had been killed before it could say so."""
    path = run_dir / "records.jsonl"
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b'"EndRecord"' not in line))


def records(run_dir: Path) -> list[dict]:
    """All records of a run, without what only tells the time."""
    lines = [json.loads(line) for line in (run_dir / "records.jsonl").read_text().splitlines()]
    timing = ("seconds", "images_per_second", "data_wait_share", "started")
    return [{name: value for name, value in line.items() if name not in timing} for line in lines if line["record"] != "LoaderRecord"]


def results(lines: list[dict]) -> list[dict]:
    """The records that tell what was learnt: the last of each epoch, in order."""
    kept = {(line["record"], line["epoch"], line.get("split")): line for line in lines if line["record"] in ("EpochRecord", "EvalRecord")}
    return [kept[key] for key in sorted(kept, key=str)]
