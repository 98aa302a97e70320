"""What a finished run says about its tasks."""

from pathlib import Path

import numpy as np

from engine.records import EpochRecord, RunRecord, from_json
from shards.errors import ConfigurationError, DataError

RECORDS = "records.jsonl"


def mean_probabilities(run_dir: Path) -> dict[str, float]:
    """Return task -> mean of P(k, t) over the epochs of a finished run.

    Args:
        run_dir: Folder of the run.

    Raises:
        ConfigurationError: The folder holds no run, or one that is not finished.
        DataError: A line of its records is damaged.
    """
    path = run_dir / RECORDS
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError(
            f"scheduler.weights_of: {path} cannot be read ({error.strerror}); name the folder of a finished run"
        ) from error
    run: RunRecord | None = None
    epochs: dict[int, tuple[float, ...]] = {}
    # Behind the last newline is nothing, or what a crash left of a line.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            record = from_json(line.decode())
            if isinstance(record, RunRecord):
                run = record
                # A run that is resumed repeats what came after its checkpoint.
                epochs = {epoch: known for epoch, known in epochs.items() if epoch < record.resumed_epoch}
            elif isinstance(record, EpochRecord):
                epochs[record.epoch] = _probabilities(record, run)
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}, line {number}: {error}; restore the file, or name another run") from error
    num_epochs = run.epochs if run else 0
    if run is None or any(epoch not in epochs for epoch in range(num_epochs)):
        raise ConfigurationError(f"scheduler.weights_of {run_dir}: {len(epochs)} of {num_epochs} epochs are done; finish that run first")
    means = np.mean([epochs[epoch] for epoch in range(num_epochs)], axis=0)
    return dict(zip(run.tasks, means.tolist(), strict=True))


def _probabilities(record: EpochRecord, run: RunRecord | None) -> tuple[float, ...]:
    if run is None or len(record.probabilities) != len(run.tasks):
        raise ValueError(f"the record holds {len(record.probabilities)} probabilities for {len(run.tasks) if run else 0} tasks")
    if not all(0 < value <= 1 for value in record.probabilities):
        raise ValueError(f"the probabilities are {record.probabilities}, expected above 0 and at most 1")
    return record.probabilities
