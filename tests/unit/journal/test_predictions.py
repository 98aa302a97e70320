"""Predictions on disk."""

import dataclasses
import os
import re
import resource

import numpy as np
import pytest

from engine.journal.predictions import PREDICTIONS, Predictions, read_predictions, write_predictions
from shards.errors import DataError
from tests.unit.loop.reference import TASKS, random_table


def predictions(num_samples: int = 7) -> Predictions:
    logits, labels = random_table(num_samples)
    thresholds = np.linspace(0.1, 0.9, len(TASKS), dtype=np.float32)
    return Predictions(logits=logits, labels=labels, thresholds=thresholds, tasks=TASKS, ids=np.arange(10, 10 + num_samples))


def test_round_trip(tmp_path):
    write_predictions(tmp_path, predictions(3))
    write_predictions(tmp_path, predictions())
    assert os.listdir(tmp_path) == [PREDICTIONS]
    read = read_predictions(tmp_path)
    for name, expected in dataclasses.asdict(predictions()).items():
        assert np.array_equal(getattr(read, name), expected), name
    with np.load(tmp_path / PREDICTIONS) as file:
        kinds = {name: array.dtype.str for name, array in file.items()}
    assert kinds == {"logits": "<f4", "labels": "|i1", "thresholds": "<f4", "tasks": "<U10", "ids": "<i8"}


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path):
    write_predictions(tmp_path, predictions())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        with pytest.raises(DataError, match=r"predictions.npz: cannot be written \(File too large\); make room and resume the run"):
            write_predictions(tmp_path, predictions(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == [PREDICTIONS]
    assert len(read_predictions(tmp_path).ids) == 7


def test_a_run_without_them_says_why(tmp_path):
    with pytest.raises(DataError, match=r"predictions.npz: no such file; the run has not been evaluated on test yet"):
        read_predictions(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"no zip", "cut", "flip", "object", "lacks", "one-array"])
def test_damage_is_found(tmp_path, damage):
    write_predictions(tmp_path, predictions())
    path = tmp_path / PREDICTIONS
    data = path.read_bytes()
    arrays = dataclasses.asdict(predictions())
    match damage:
        case "cut":
            path.write_bytes(data[:-30])
        case "flip":
            path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
        case "object":
            np.savez(path, **(arrays | {"tasks": np.array([{}], dtype=object)}))
        case "lacks":
            np.savez(path, logits=arrays["logits"])
        case "one-array":
            with path.open("wb") as file:
                np.save(file, arrays["logits"])
        case _:
            path.write_bytes(damage)
    with pytest.raises(DataError, match=r"predictions.npz: is damaged .*; remove it and resume the run, which writes it anew"):
        read_predictions(tmp_path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("logits", np.zeros((7, 3), np.float32)),
        ("logits", np.zeros((7, 8))),
        ("labels", np.zeros((6, 8), np.int8)),
        ("thresholds", np.zeros((8, 1), np.float32)),
        ("tasks", np.arange(8)),
        ("ids", np.zeros((7, 1), np.int64)),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(tmp_path, name, array):
    np.savez(tmp_path / PREDICTIONS, **(dataclasses.asdict(predictions()) | {name: array}))
    with pytest.raises(DataError, match=f"predictions.npz: {name} is .* which does not fit"):
        read_predictions(tmp_path)


def flags_set(data: bytes) -> bytes:
    """Every file marked as encrypted, in its header and in the directory."""
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data = re.sub(re.escape(mark) + b"." * (at - 4), lambda found: found[0] + b"\x01", data, flags=re.DOTALL)
        data = re.sub(rb"(" + re.escape(mark) + b"." * (at - 4) + rb"\x01).", rb"\1", data, flags=re.DOTALL)
    return data


@pytest.mark.parametrize(
    "damage",
    [
        flags_set,
        # A compression that there is not, a version of the format that nobody reads, and a file that is no array.
        lambda data: re.sub(rb"(PK\x01\x02.{6})..", lambda found: found[1] + b"\x63\0", data, flags=re.DOTALL),
        lambda data: re.sub(rb"(PK\x01\x02..)..", lambda found: found[1] + b"\xff\0", data, flags=re.DOTALL),
        lambda data: data.replace(b"\x93NUMPY", b"\x92NUMPY"),
        lambda data: data.replace(b"'shape': (7,)", b"'shape': 1e999"),
        lambda data: data.replace(b"'shape': (7,)", b"'shape': ((((("),
    ],
    ids=["encrypted", "compression", "version", "no-array", "shape", "head"],
)
def test_what_archive_and_parser_say_to_damage_is_told_in_one_line(tmp_path, damage):
    write_predictions(tmp_path, predictions())
    path = tmp_path / PREDICTIONS
    before = path.read_bytes()
    path.write_bytes(damage(before))
    assert path.read_bytes() != before
    with pytest.raises(DataError, match=r"predictions.npz: .*remove it and resume the run, which writes it anew"):
        read_predictions(tmp_path)
