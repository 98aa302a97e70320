"""What is known of one run: its records in the order of the run, not of the file. The one reader of `records.jsonl`."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.journal.journal import FILE_NAME, is_whole, parse
from engine.journal.masks import Masks, pack, unpack
from engine.journal.records import (
    EndRecord,
    EpochRecord,
    EvalRecord,
    LoaderRecord,
    MaskRecord,
    OtherVersionError,
    Record,
    RunRecord,
    SkipRecord,
    StepRecord,
)
from engine.journal.types import check_types
from shards.errors import DataError


@dataclass(slots=True)
class RunHistory:
    """The records of one run, each epoch, step and evaluation once.

    A run that was cut off and resumed repeats what came after its checkpoint; the later record is the true one. Whatever lies behind
    the point at which a process resumes is forgotten when that process starts, so nothing of an abandoned attempt remains.
    """

    processes: list[RunRecord] = field(default_factory=list)
    """One entry per process that worked on the run; the last one describes the run."""
    steps: dict[tuple[int, int], StepRecord] = field(default_factory=dict)
    """By (epoch, step)."""
    masks: dict[tuple[int, int], MaskRecord] = field(default_factory=dict)
    """By (epoch, first step)."""
    epochs: dict[int, EpochRecord] = field(default_factory=dict)
    """By epoch."""
    loaders: dict[int, LoaderRecord] = field(default_factory=dict)
    """By epoch."""
    evals: dict[tuple[str, int], EvalRecord] = field(default_factory=dict)
    """By (split, epoch)."""
    skipped: dict[tuple[str, str], SkipRecord] = field(default_factory=dict)
    """By (shard, key)."""
    ends: list[EndRecord] = field(default_factory=list)
    """One entry per process that ended on its own feet; a killed process leaves none."""
    latest: Record | None = None
    """The record added last, masks aside."""

    @property
    def run(self) -> RunRecord:
        """Return the record that describes the run."""
        if not self.processes:
            raise ValueError("the history holds no RunRecord yet")
        return self.processes[-1]

    @property
    def status(self) -> str:
        """Return `finished`, `stopped` (by a signal, resumable), `diverged` or `unfinished` (still running, or killed)."""
        return self.latest.reason if isinstance(self.latest, EndRecord) else "unfinished"

    def split(self, name: str) -> list[EvalRecord]:
        """Return the evaluations of one split in the order of their epochs."""
        return [self.evals[key] for key in sorted(self.evals) if key[0] == name]

    def in_epochs(self) -> list[EpochRecord]:
        """Return the finished epochs in their order."""
        return [self.epochs[epoch] for epoch in sorted(self.epochs)]

    def trained_tasks(self) -> Masks:
        """Return [steps of the finished epochs, T]: the tasks that each step trained.

        Raises:
            ValueError: The records of some steps are missing.
        """
        return self._masks("trained")

    def drawn_tasks(self) -> Masks:
        """Return [steps of the finished epochs, T]: the scheduler's mask of each step, labels in the batch or not.

        Raises:
            ValueError: The records of some steps are missing.
        """
        return self._masks("drawn")

    def add(self, record: Record, *, from_file: bool = False) -> None:
        """Take in the next record.

        Args:
            record: The record.
            from_file: It was read, and may hold anything: its values are compared with their types.

        Raises:
            ValueError: It comes before the first RunRecord, its values are not one per task, or one read is of another type.
        """
        _check(record, self, from_file=from_file)
        match record:
            case RunRecord():
                self._start_process(record)
            case StepRecord():
                self.steps[record.epoch, record.step] = record
            case MaskRecord():
                self.masks[record.epoch, record.first_step] = record
                # It tells of steps that others have told of.
                return
            case EpochRecord():
                self.epochs[record.epoch] = record
            case LoaderRecord():
                self.loaders[record.epoch] = record
            case EvalRecord():
                self.evals[record.split, record.epoch] = record
            case SkipRecord():
                self.skipped[record.shard, record.key] = record
            case EndRecord():
                self.ends.append(record)
        self.latest = record

    def _start_process(self, record: RunRecord) -> None:
        begin = (record.resumed_epoch, record.resumed_step)
        if begin == (0, 0):
            self.processes.clear()
            self.ends.clear()
            self.skipped.clear()
        self.processes.append(record)
        self.steps = {key: step for key, step in self.steps.items() if key < begin}
        self.masks = {key: _until(entry, begin, len(record.tasks)) for key, entry in self.masks.items() if key < begin}
        self.epochs = {epoch: entry for epoch, entry in self.epochs.items() if epoch < record.resumed_epoch}
        self.loaders = {epoch: entry for epoch, entry in self.loaders.items() if epoch < record.resumed_epoch}
        self.evals = {key: entry for key, entry in self.evals.items() if key[1] < record.resumed_epoch}

    def _masks(self, name: str) -> Masks:
        num_tasks, per_epoch = len(self.run.tasks), self.run.steps_per_epoch
        # Told before room is made for them: the number of steps is the record's word alone.
        unknown = self._first_unknown(per_epoch)
        if unknown is not None:
            raise ValueError(f"the tasks of epoch {unknown[0] + 1}, step {unknown[1] + 1} are not recorded")
        masks = np.zeros((len(self.epochs) * per_epoch, num_tasks), np.bool_)
        for (epoch, first), record in self.masks.items():
            if epoch in self.epochs:
                rows = slice(epoch * per_epoch + first, epoch * per_epoch + first + record.num_steps)
                masks[rows] = unpack(getattr(record, name), record.num_steps, num_tasks)
        return masks

    def _first_unknown(self, per_epoch: int) -> tuple[int, int] | None:
        """Return epoch and step of the first step of a finished epoch whose tasks no record tells; None if there is none."""
        begins: dict[int, list[int]] = {}
        for epoch, first in sorted(self.masks):
            begins.setdefault(epoch, []).append(first)
        for epoch in range(len(self.epochs)):
            known = 0
            for first in begins.get(epoch, []) if epoch in self.epochs else ():
                if first <= known:
                    known = max(known, first + self.masks[epoch, first].num_steps)
            if known < per_epoch:
                return epoch, known
        return None


def read_history(run_dir: Path) -> RunHistory:
    """Return the history that a run folder's `records.jsonl` tells.

    A last line without its newline is what a crash leaves of a record and is ignored unless it is whole.

    Raises:
        DataError: The file is missing, unreadable, empty or of another version, or a line in it is damaged.
    """
    path = run_dir / FILE_NAME
    history = resume_history(run_dir)
    if not history.processes:
        problem = "holds no record yet" if path.exists() else "no such file"
        raise DataError(f"{path}: {problem}; give the folder (--run.dir of the training) of a run that has started")
    return history


def resume_history(run_dir: Path) -> RunHistory:
    """Return the history of a run folder, empty when no run has started in it.

    Raises:
        DataError: The file is unreadable or of another version, or a line in it is damaged.
    """
    path = run_dir / FILE_NAME
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    history = RunHistory()
    for position, line in enumerate(lines, start=1):
        if position == len(lines) and not is_whole(line):
            break
        try:
            history.add(parse(line), from_file=True)
        except OtherVersionError as error:
            raise DataError(f"{path}: has {error}; train the run anew in another folder") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise DataError(f"{path}, line {position}: {error}; restore the file or remove the line") from error
    return history


def mean_probabilities(run_dir: Path) -> dict[str, float]:
    """Return task -> mean of P(k, t) over the epochs of a finished run.

    Args:
        run_dir: Folder of the run.

    Raises:
        ValueError: The run is not finished; the message says how far it is.
        DataError: The folder holds no run, or a line of its records is damaged.
    """
    history = read_history(run_dir)
    num_epochs = history.run.epochs
    if len(history.epochs) < max(1, num_epochs):
        raise ValueError(f"{len(history.epochs)} of {num_epochs} epochs are done")
    means = np.mean([record.probabilities for record in history.in_epochs()], axis=0)
    return dict(zip(history.run.tasks, means.tolist(), strict=True))


def _until(record: MaskRecord, end: tuple[int, int], num_tasks: int) -> MaskRecord:
    """Return the part of a record before a step: whoever took an older checkpoint goes on in the middle of one."""
    if record.epoch < end[0] or record.first_step + record.num_steps <= end[1]:
        return record
    num_steps = end[1] - record.first_step
    drawn, trained = (unpack(text, record.num_steps, num_tasks)[:num_steps] for text in (record.drawn, record.trained))
    return replace(record, num_steps=num_steps, drawn=pack(drawn), trained=pack(trained))


def _check(record: Record, history: RunHistory, *, from_file: bool) -> None:
    if from_file:
        check_types(record)
    if not isinstance(record, RunRecord):
        _check_tasks(record, history.run.tasks)


def _check_tasks(record: Record, tasks: tuple[str, ...]) -> None:
    match record:
        case StepRecord():
            lengths = {"active": len(record.active)}
        case EpochRecord():
            fields = ("task_losses", "probabilities", "active_shares")
            lengths = {name: len(getattr(record, name)) for name in fields}
            if not all(0 < value <= 1 for value in record.probabilities):
                raise ValueError(f"the probabilities are {record.probabilities}, expected above 0 and at most 1")
        case EvalRecord():
            lengths = {"metrics": len(record.metrics)}
        case MaskRecord():
            lengths = {}
            if record.first_step < 0 or record.num_steps < 1:
                raise ValueError(f"the masks are of {record.num_steps} steps from {record.first_step} on")
            for text in (record.drawn, record.trained):
                unpack(text, record.num_steps, len(tasks))
        case _:
            lengths = {}
    for name, length in lengths.items():
        if length != len(tasks):
            raise ValueError(f"{type(record).__name__}.{name} holds {length} values for {len(tasks)} tasks")
