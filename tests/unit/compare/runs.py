"""Run folders written by hand: what a comparison reads, without any training."""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from engine.command_line import to_yaml
from engine.compare.arguments import take_apart
from engine.compare.comparison import Comparison, PlannedRun, plan_comparison
from engine.compare.options import CompareOptions
from engine.dst.dropping import draw_masks
from engine.journal.masks import pack
from engine.journal.predictions import Predictions, write_predictions
from engine.journal.records import EndRecord, EpochRecord, EvalRecord, MaskRecord, Record, RunRecord, StepRecord, to_json
from engine.loop.metrics import split_metrics
from tests.unit.compare.found import RUN

TASKS = ("Young", "Bald")
NUM_STEPS = 4
DATA = RUN.data
DROPPING = ("random", "drop_balanced", "dst")
Skill = Callable[[PlannedRun, str], float]
"""How far a run's logits lie on the right side of zero for a task, in standard deviations of their noise."""


def plan_of(out: Path, *arguments: str, tasks: Sequence[str] = TASKS) -> tuple[CompareOptions, Comparison]:
    """The plan of a command line."""
    options, settings = take_apart(
        ["--data.shards", "nowhere", "--data.tasks", *tasks, "--out", str(out), "--train.epochs", "2", *arguments]
    )
    return options, plan_comparison(options, settings)


def labels_of(tasks: Sequence[str], num_samples: int) -> np.ndarray:
    """[N, T] labels that depend on the task's name only, about a third of them positive; every tenth is missing."""
    columns = []
    for task in tasks:
        chance = np.random.default_rng(zlib.crc32(task.encode()))
        column = (chance.random(num_samples) < 0.35).astype(np.int8)
        column[:2] = (0, 1)
        column[9::10] = -1
        columns.append(column)
    return np.stack(columns, axis=1)


def write_run(
    run: PlannedRun,
    tasks: Sequence[str],
    skill: Skill = lambda *_: 1.0,
    *,
    num_samples: int = 100,
    epochs: int = 2,
    finished: bool = True,
    diverged: str | None = None,
) -> None:
    """Write a run's folder as if it had been trained, to the end or to where it diverged."""
    tasks = (run.task,) if run.task else tuple(tasks)
    folder = run.config.run.dir
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(run.config))
    made = _records(run, tasks, skill, num_samples, epochs)
    finished = finished and diverged is None
    made = [*made, EndRecord(reason="finished", seconds=10.0)] if finished else made[: len(made) // 2]
    made += [EndRecord(reason="diverged", seconds=5.0, detail=diverged)] if diverged is not None else []
    (folder / "records.jsonl").write_text("".join(to_json(record) + "\n" for record in made))
    if finished:
        logits, labels = answers_of(run, tasks, skill, num_samples)
        thresholds = np.full(len(tasks), 0.5, np.float32)
        write_predictions(
            folder,
            Predictions(logits=logits, labels=labels, thresholds=thresholds, tasks=tasks, ids=np.arange(num_samples, dtype=np.int64)),
        )


def answers_of(run: PlannedRun, tasks: Sequence[str], skill: Skill, num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of a run on the test split."""
    labels = labels_of(tasks, num_samples)
    columns = []
    for task, column in zip(tasks, labels.T, strict=True):
        chance = np.random.default_rng(zlib.crc32(f"{run.name} {task}".encode()))
        given = skill(run, task)
        # NaN: a run that never learned. The noise is drawn all the same, so that other tasks stay what they are.
        noise = chance.normal(size=num_samples)
        columns.append(np.full(num_samples, 0.3) if np.isnan(given) else np.where(column == 1, 1, -1) * given + noise)
    return np.stack(columns, axis=1).astype(np.float32), labels


def probabilities_of(run: PlannedRun, num_tasks: int, epoch: int) -> tuple[float, ...]:
    """P(k, t) of a scheduler that drops tasks, 1 of any other."""
    if run.variant.scheduler in DROPPING:
        return tuple(max(0.3, 1 - 0.2 * (epoch + task) / (epoch + 2)) for task in range(num_tasks))
    return (1.0,) * num_tasks


def _records(run: PlannedRun, tasks: tuple[str, ...], skill: Skill, num_samples: int, epochs: int) -> list[Record]:
    made: list[Record] = [_run_record(run, tasks, num_samples, epochs)]
    for epoch in range(epochs):
        probabilities = probabilities_of(run, len(tasks), epoch)
        masks = draw_masks(np.array(probabilities), run.seed, epoch, block=0)[:NUM_STEPS]
        active = tuple(masks[-1].tolist())
        share = (epoch + 1) / epochs
        made += [
            StepRecord(epoch=epoch, step=NUM_STEPS - 1, loss=0.5, active=active, images_per_second=100.0, data_wait_share=0.0),
            MaskRecord(epoch=epoch, first_step=0, num_steps=NUM_STEPS, drawn=pack(masks), trained=pack(masks)),
            EpochRecord(
                epoch=epoch,
                loss=0.5,
                task_losses=(0.5,) * len(tasks),
                probabilities=probabilities,
                active_shares=probabilities,
                learning_rate=0.001,
            ),
            _evaluation(run, tasks, lambda *names, share=share: share * skill(*names), num_samples, "val", epoch),
        ]
    return [*made, _evaluation(run, tasks, skill, num_samples, "test", epochs - 1)]


def _evaluation(run: PlannedRun, tasks: tuple[str, ...], skill: Skill, num_samples: int, split: str, epoch: int) -> EvalRecord:
    logits, labels = answers_of(run, tasks, skill, num_samples)
    metrics = split_metrics(torch.from_numpy(logits), torch.from_numpy(labels), tasks, [False] * len(tasks), [0.5] * len(tasks))
    return EvalRecord(epoch=epoch, split=split, num_samples=num_samples, seconds=1.0, metrics=metrics)


def _run_record(run: PlannedRun, tasks: tuple[str, ...], num_samples: int, epochs: int) -> RunRecord:
    return dataclasses.replace(
        RUN,
        name=run.config.run.dir.name,
        tasks=tasks,
        positive_rates=(0.35,) * len(tasks),
        scheduler=run.variant.scheduler,
        drops_tasks=run.variant.scheduler in DROPPING,
        epochs=epochs,
        steps_per_epoch=NUM_STEPS,
        split_sizes={"train": 32, "val": num_samples, "test": num_samples},
    )


def change_record(run: PlannedRun, kind: type, **fields: object) -> None:
    """Change fields of all records of one kind in a run's records.jsonl."""
    from engine.journal.records import from_json

    path = run.config.run.dir / "records.jsonl"
    lines = [from_json(line) for line in path.read_text().splitlines()]
    lines = [dataclasses.replace(line, **fields) if isinstance(line, kind) else line for line in lines]
    path.write_text("".join(to_json(line) + "\n" for line in lines))
