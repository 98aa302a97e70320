"""What the training loop tells: frozen records, drawn by `engine.report` and kept as JSON lines.

Each record is JSON in its own right: `to_json` writes the class name as `record` and the fields as they are; `from_json` is its
inverse. Tuples indexed by task follow `RunRecord.tasks`.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

VERSION = 2
"""Of the records. Those of another version are refused. 2 has the masks of every step."""
RARELY_DROPPED = 0.9
"""A task whose P never fell below this was hardly ever dropped; so were all together if most tasks were and their mean is above it."""
HALF = 0.5
"""Threshold of the answers where none is chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """What this run is; emitted once, first (and once more by each resumed process)."""

    name: str
    """Name of the run folder."""
    started: str
    """Local time of the start, ISO 8601."""
    resumed_epoch: int
    """Epoch in which this process begins, from 0."""
    resumed_step: int
    """Step inside that epoch at which this process begins, from 0; (0, 0) is a fresh run."""
    tasks: tuple[str, ...]
    """Task names in label order."""
    positive_rates: tuple[float | None, ...]
    """Share of positives among the labelled training samples, per task; None without labelled samples."""
    scheduler: str
    """Name of the task scheduler."""
    drops_tasks: bool
    """Whether it leaves tasks out of steps."""
    model: str
    """Trunk, weights and what of it trains, in words."""
    num_parameters: int
    """Parameters of the whole model."""
    num_trainable_parameters: int
    """Parameters that the optimiser may change."""
    device: str
    """Device in words: `NVIDIA H100 80GB HBM3`, or the CPU's name."""
    world_size: int
    """Processes that train together."""
    precision: str
    """`no` (float32), `bf16` or `fp16`."""
    global_batch_size: int
    """Samples per optimiser step, over all ranks."""
    micro_batch_size: int
    """Samples per forward pass on one rank; below `global_batch_size / world_size` gradients are accumulated."""
    epochs: int
    """Epochs the run is to have."""
    steps_per_epoch: int
    """Optimiser steps per epoch."""
    split_sizes: dict[str, int]
    """Samples per split."""
    data: str
    """What tells the data set and its training samples from others, in words and hashes."""
    versions: dict[str, str]
    """Versions of Python and of the libraries that decide the result."""
    features: str | None = None
    """What the trunk saw and was computed before training, in words; None where the trunk runs in every step."""
    version: int = VERSION
    """Of the records."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One reported step; the rates are means since the step reported before it."""

    epoch: int
    """Epoch, from 0."""
    step: int
    """Step inside the epoch, from 0."""
    loss: float
    """Training loss of this step over the global batch: sum over active tasks / number of tasks."""
    active: tuple[bool, ...]
    """Which tasks were trained in this step, per task."""
    images_per_second: float
    """Throughput over all ranks, waiting included."""
    data_wait_share: float
    """Share of the time, 0 to 1, in which rank 0 stood still for the next batch. Above 0.05 the loader is worth looking at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskRecord:
    """Which tasks some steps in a row had. Written at each checkpoint and at the epoch's end; `engine.journal.masks` packs the bits."""

    epoch: int
    """Epoch, from 0."""
    first_step: int
    """The first of the steps, from 0."""
    num_steps: int
    """Number of steps, at least 1."""
    drawn: str
    """[num_steps, T] packed: the scheduler's masks."""
    trained: str
    """[num_steps, T] packed: the tasks of the mask that had a label in the global batch. Only these were trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRecord:
    """One finished training epoch."""

    epoch: int
    """Epoch, from 0."""
    loss: float
    """Mean step loss of the epoch: sum over active tasks / number of tasks. Falls also when tasks are dropped."""
    task_losses: tuple[float | None, ...]
    """V(k, t): mean training loss over the labelled samples of all batches, active or not, per task; None where no sample had a label."""
    probabilities: tuple[float, ...]
    """P(k, t): activation probability that the scheduler used in this epoch, per task."""
    active_shares: tuple[float, ...]
    """Share of the epoch's steps, 0 to 1, in which the task was trained, per task. Differs from P by the luck of the draw."""
    learning_rate: float
    """Learning rate of the heads at the last step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoaderRecord:
    """Where the time of one training epoch went, on rank 0 (evaluation is not part of it)."""

    epoch: int
    """Epoch, from 0."""
    num_images: int
    """Images trained on by this process in this epoch, over all ranks (fewer than an epoch's after a resume)."""
    seconds: float
    """Wall time of the training steps, without the warm-up."""
    data_wait_seconds: float
    """Part of `seconds` in which the loop stood still for the next batch. The first batch of the run (warm-up) is left out."""
    warmup_seconds: float
    """Wait for the first batch of this process: building the pipeline and filling its queue; 0 in later epochs."""
    data_wait_ms: tuple[float, float, float]
    """Wait per step in milliseconds: median, 95th and 99th percentile. A high 99th beside a low median: a slow disk or a full queue."""
    step_ms: tuple[float, float, float]
    """Whole step in milliseconds: median, 95th and 99th percentile."""
    rss_anon_bytes: int
    """Anonymous resident memory of rank 0's process at the epoch's end. The mapped shards are not in it."""
    gpu_peak_bytes: int | None
    """Most memory torch had allocated on rank 0's GPU so far; None without a GPU. DALI's own pools are not in it."""


Constant = Literal["logits", "answers"]
"""What is the same for all images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskMetrics:
    """How one task does on one split. None where the labels do not define the measure (no labelled sample, or one class only)."""

    task: str
    """Task name."""
    num_labelled: int
    """Samples with a label."""
    num_positive: int
    """Samples labelled 1."""
    threshold: float | None
    """Probability above which the answer is "present": 0.5, or chosen on val (`report.threshold val`) for its largest balanced accuracy.
    Val's own accuracy, balanced accuracy, precision, recall and F1 are then optimistic: only those of test are an estimate. None in a mean
    over tasks."""
    loss: float | None
    """Mean binary cross-entropy, without any positive weight."""
    accuracy: float | None
    """Share of right answers at the threshold. Compare with `majority_accuracy`, not with 0.5."""
    balanced_accuracy: float | None
    """Mean of the true positive and the true negative rate: 0.5 is chance whatever the class balance."""
    precision: float | None
    """Right among predicted positives; 0 when nothing is predicted positive."""
    recall: float | None
    """Found among true positives."""
    f1: float | None
    """Harmonic mean of precision and recall at the threshold. Compare with `all_positive_f1`, not with 0.5."""
    auroc: float | None
    """Area under the ROC curve: how well scores rank positives above negatives; 0.5 is chance, no threshold involved."""
    average_precision: float | None
    """Area under the precision-recall curve; chance is the share of positives."""
    calibration_error: float | None
    """Expected calibration error, 15 bins: by how much the predicted probabilities of the positive class are off on average, 0 to 1."""
    majority_accuracy: float | None
    """Accuracy of always answering the training split's more frequent class."""
    all_positive_f1: float | None
    """F1 of always answering "present": 2 * share of positives / (1 + share of positives)."""
    constant: Constant | None
    """`logits`: every labelled sample has the same logit, so nothing was learned. `answers`: logits differ, but all samples are answered
    alike although both classes occur. None: neither, or a mean over tasks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalRecord:
    """One pass over an evaluation split."""

    epoch: int
    """Epochs trained before it, minus one: the epoch it belongs to, from 0."""
    split: str
    """`val` or `test`."""
    num_samples: int
    """Samples of the split, each counted once; damaged ones that were skipped are left out."""
    seconds: float
    """Wall time of the pass."""
    metrics: tuple[TaskMetrics, ...]
    """One entry per task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SkipRecord:
    """A damaged sample that was left out (`pipeline.on_bad_sample skip`); each is told once, at the next checkpoint or epoch's end."""

    epoch: int
    """Epoch it was met in, from 0; for `val` and `test` the epoch the evaluation belongs to."""
    split: str
    """`train`, `val` or `test`."""
    shard: str
    """File name of its shard."""
    key: str
    """Its key."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRecord:
    """The end of a process that trained."""

    reason: str
    """`finished`, `stopped` by a signal after a checkpoint, or `diverged`."""
    seconds: float
    """Wall time of this process from its start, everything included."""
    detail: str = ""
    """What was not finite, where, and in which samples, of a run that diverged; untrusted text."""


Record = RunRecord | StepRecord | MaskRecord | EpochRecord | LoaderRecord | EvalRecord | SkipRecord | EndRecord

_CLASSES = {cls.__name__: cls for cls in get_args(Record)}


class OtherVersionError(ValueError):
    """The record was written by another version of Dropstream."""


def to_json(record: Record) -> str:
    """Return the record as one line of JSON. Floats keep every digit; NaN is refused with a ValueError, for it is not JSON."""
    return json.dumps({"record": type(record).__name__, **dataclasses.asdict(record)}, allow_nan=False)


def from_json(line: str) -> Record:
    """Return the record that `to_json` wrote.

    Raises:
        ValueError: The line is not JSON, names no known record, or lacks a field.
        OtherVersionError: The line opens a run of another version.
    """
    fields: Any = json.loads(line)
    cls = _CLASSES.get(fields.pop("record", "")) if isinstance(fields, dict) else None
    if cls is None:
        raise ValueError("the line names no known record")
    if cls is RunRecord and fields.get("version") != VERSION:
        raise OtherVersionError(f"records of version {fields.get('version', 1)}, and this Dropstream has version {VERSION}")
    try:
        if cls is EvalRecord:
            fields["metrics"] = tuple(TaskMetrics(**entry) for entry in fields["metrics"])
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return cls(**values)
    except (TypeError, KeyError) as error:
        raise ValueError(f"the line is not a {cls.__name__}: {error}") from error
