"""What is known of one run: its records in the order of the run, not of the file."""

from dataclasses import dataclass, field

from engine.records import EndRecord, EpochRecord, EvalRecord, LoaderRecord, Record, RunRecord, SkipRecord, StepRecord


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
    """The record added last."""

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

    def add(self, record: Record) -> None:
        """Take in the next record.

        Raises:
            ValueError: It comes before the first RunRecord, or its values are not one per task.
        """
        if isinstance(record, RunRecord):
            self._start_process(record)
        else:
            _check_tasks(record, self.run.tasks)
        match record:
            case StepRecord():
                self.steps[record.epoch, record.step] = record
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
        self.epochs = {epoch: entry for epoch, entry in self.epochs.items() if epoch < record.resumed_epoch}
        self.loaders = {epoch: entry for epoch, entry in self.loaders.items() if epoch < record.resumed_epoch}
        self.evals = {key: entry for key, entry in self.evals.items() if key[1] < record.resumed_epoch}


def _check_tasks(record: Record, tasks: tuple[str, ...]) -> None:
    match record:
        case StepRecord():
            lengths = {"active": len(record.active)}
        case EpochRecord():
            fields = ("task_losses", "probabilities", "active_shares")
            lengths = {name: len(getattr(record, name)) for name in fields}
        case EvalRecord():
            lengths = {"metrics": len(record.metrics)}
        case _:
            lengths = {}
    for name, length in lengths.items():
        if length != len(tasks):
            raise ValueError(f"{type(record).__name__}.{name} holds {length} values for {len(tasks)} tasks")
