"""Records of a small run, worked out so that every figure in a report can be checked by hand."""

import dataclasses
from types import SimpleNamespace

import pytest

from engine.journal.history import RunHistory
from engine.journal.records import EndRecord, EpochRecord, EvalRecord, LoaderRecord, Record, RunRecord, StepRecord, TaskMetrics

TASKS = ("Young", "Wearing_Hat")
HOSTILE = "<script>alert(1)</script>[red]\x1b[31m$x_"

RUN = RunRecord(
    name="trial",
    started="2026-01-02T03:04:05",
    resumed_epoch=0,
    resumed_step=0,
    tasks=TASKS,
    positive_rates=(0.75, None),
    scheduler="dst",
    drops_tasks=True,
    model="vgg16, trunk frozen",
    num_parameters=138422128,
    num_trainable_parameters=64584,
    device="NVIDIA H100",
    world_size=2,
    precision="bf16",
    global_batch_size=100,
    micro_batch_size=25,
    epochs=3,
    steps_per_epoch=40,
    split_sizes={"train": 4000, "val": 400, "test": 500},
    data="index.npy 0123, train 0 to 51",
    versions={"torch": "2.14.1"},
)
STEP = StepRecord(epoch=0, step=9, loss=0.5, active=(True, False), images_per_second=200.0, data_wait_share=0.03)
EPOCH = EpochRecord(epoch=0, loss=0.4, task_losses=(0.5, 0.25), probabilities=(1.0, 0.8), active_shares=(1.0, 0.75), learning_rate=0.001)
LOADER = LoaderRecord(
    epoch=0,
    num_images=4000,
    seconds=20.0,
    data_wait_seconds=0.6,
    warmup_seconds=2.5,
    data_wait_ms=(1.0, 2.0, 3.0),
    step_ms=(500.0, 510.0, 520.0),
    rss_anon_bytes=2**30,
    gpu_peak_bytes=3 * 2**30,
)
METRICS = TaskMetrics(
    task="Young",
    num_labelled=400,
    num_positive=300,
    threshold=0.5,
    loss=0.4,
    accuracy=0.9,
    balanced_accuracy=0.8,
    precision=0.9,
    recall=0.95,
    f1=0.9,
    auroc=0.85,
    average_precision=0.95,
    calibration_error=0.04,
    majority_accuracy=0.75,
    all_positive_f1=6 / 7,
    constant=None,
)
# One class only: nothing that compares the classes is defined.
CONSTANT = TaskMetrics(
    task="Wearing_Hat",
    num_labelled=400,
    num_positive=0,
    threshold=0.5,
    loss=0.2,
    accuracy=0.97,
    balanced_accuracy=None,
    precision=0.0,
    recall=None,
    f1=None,
    auroc=None,
    average_precision=None,
    calibration_error=0.02,
    majority_accuracy=1.0,
    all_positive_f1=None,
    constant=None,
)
EVAL = EvalRecord(epoch=0, split="val", num_samples=400, seconds=5.0, metrics=(METRICS, CONSTANT))
END = EndRecord(reason="finished", seconds=100.0)


def records(tasks: tuple[str, ...] = TASKS, epochs: int = 3) -> list[Record]:
    """A whole run over any tasks; the first one does better than the majority, all others exactly as well."""
    num = len(tasks)
    metrics = tuple(dataclasses.replace(METRICS, task=task, accuracy=0.9 if place == 0 else 0.75) for place, task in enumerate(tasks))
    made: list[Record] = [dataclasses.replace(RUN, tasks=tasks, positive_rates=(0.5,) * num, epochs=epochs)]
    for epoch in range(epochs):
        made += [
            dataclasses.replace(STEP, epoch=epoch, step=step, active=tuple(place % 3 > 0 for place in range(num))) for step in (19, 39)
        ]
        made += [
            dataclasses.replace(
                EPOCH, epoch=epoch, task_losses=(0.5 / (epoch + 1),) * num, probabilities=(0.9,) * num, active_shares=(0.8,) * num
            ),
            dataclasses.replace(LOADER, epoch=epoch),
            dataclasses.replace(EVAL, epoch=epoch, metrics=metrics),
        ]
    return [*made, dataclasses.replace(EVAL, epoch=epochs - 1, split="test", num_samples=500, metrics=metrics), END]


def history(*entries: Record) -> RunHistory:
    """The history of these records."""
    made = RunHistory()
    for record in entries:
        made.add(record)
    return made


@pytest.fixture
def make() -> SimpleNamespace:
    """Everything above, and `replace` to change a part of it."""
    return SimpleNamespace(
        hostile=HOSTILE,
        run=RUN,
        step=STEP,
        epoch=EPOCH,
        loader=LOADER,
        metrics=METRICS,
        constant=CONSTANT,
        eval=EVAL,
        end=END,
        records=records,
        history=history,
        replace=dataclasses.replace,
    )
