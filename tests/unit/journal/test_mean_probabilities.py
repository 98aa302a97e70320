"""The mean P of a finished run."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.journal.history import mean_probabilities
from engine.journal.journal import FILE_NAME as RECORDS
from engine.journal.records import Record, to_json
from shards.errors import DataError
from tests.unit.conftest import END, EPOCH, RUN, STEP

RUN_OF_TWO = replace(RUN, epochs=2)


def epoch(number: int, *probabilities: float) -> Record:
    return replace(EPOCH, epoch=number, probabilities=probabilities)


def write(folder: Path, *records: Record, tail: str = "") -> Path:
    (folder / RECORDS).write_text("".join(to_json(record) + "\n" for record in records) + tail)
    return folder


def test_the_mean_over_the_epochs_by_name(tmp_path):
    folder = write(tmp_path, RUN_OF_TWO, STEP, epoch(0, 1.0, 0.8), STEP, epoch(1, 0.5, 0.7), END)
    assert mean_probabilities(folder) == pytest.approx({"Young": 0.75, "Wearing_Hat": 0.75})


def test_what_a_resumed_run_did_again_counts_once(tmp_path):
    resumed = replace(RUN_OF_TWO, resumed_epoch=1)
    records = (RUN_OF_TWO, epoch(0, 1.0, 0.8), epoch(1, 0.1, 0.1), resumed, epoch(1, 0.5, 0.6))
    folder = write(tmp_path, *records, END, tail='{"record": "Epo')
    assert mean_probabilities(folder) == pytest.approx({"Young": 0.75, "Wearing_Hat": 0.7})


@pytest.mark.parametrize(
    ("records", "done"),
    [
        ((RUN_OF_TWO, epoch(0, 1.0, 0.8)), "1 of 2"),
        ((replace(RUN_OF_TWO, epochs=0),), "0 of 0"),
        # The second process has not come to the second epoch's end yet.
        ((RUN_OF_TWO, epoch(0, 1.0, 0.8), epoch(1, 0.5, 0.7), replace(RUN_OF_TWO, resumed_epoch=1)), "1 of 2"),
    ],
)
def test_a_run_that_is_not_finished_is_refused(tmp_path, records, done):
    with pytest.raises(ValueError, match=f"^{done} epochs are done$"):
        mean_probabilities(write(tmp_path, *records))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"gone/records.jsonl: no such file; give the folder"):
        mean_probabilities(tmp_path / "gone")
    with pytest.raises(DataError, match=r"records.jsonl: holds no record yet"):
        mean_probabilities(write(tmp_path))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (epoch(0, 0.5), "line 2: EpochRecord.probabilities holds 1 values for 2 tasks"),
        (epoch(0, 0.5, 1.5), r"line 2: the probabilities are \(0.5, 1.5\)"),
        (epoch(0, 0.5, 0.0), r"line 2: the probabilities are \(0.5, 0.0\)"),
        (replace(EPOCH, probabilities=("a", "b")), r"line 2: EpochRecord.probabilities is \(.a"),
        (replace(EPOCH, probabilities=0.5), "line 2: EpochRecord.probabilities is 0.5"),
    ],
)
def test_damaged_records_are_named(tmp_path, record, message):
    with pytest.raises(DataError, match=rf"{RECORDS}, {message}.*; restore the file"):
        mean_probabilities(write(tmp_path, RUN_OF_TWO, record))


def test_lines_that_are_no_records_are_named(tmp_path):
    (tmp_path / RECORDS).write_bytes(to_json(RUN_OF_TWO).encode() + b"\n\xff\n")
    with pytest.raises(DataError, match=rf"{RECORDS}, line 2: .*; restore the file"):
        mean_probabilities(tmp_path)
    with pytest.raises(DataError, match=r"line 1: the history holds no RunRecord yet"):
        mean_probabilities(write(tmp_path, epoch(0, 0.5, 0.5)))
