import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.journal.history import read_history, resume_history
from engine.journal.journal import FILE_NAME, Journal, parse
from engine.journal.masks import pack
from engine.journal.records import MaskRecord, to_json
from shards.errors import DataError


def write(folder: Path, *parts: str) -> Path:
    (folder / FILE_NAME).write_text("".join(parts))
    return folder


def test_what_is_written_is_read_again_line_by_line(make, tmp_path):
    with Journal(tmp_path / "new" / "run") as journal:
        for record in make.records():
            journal.write(to_json(record))
            # Not closed yet: each record must be on its way to the disk at once.
            assert journal.path.read_text().endswith(to_json(record) + "\n")
    history = read_history(tmp_path / "new" / "run")
    assert history == make.history(*make.records())


def test_a_cut_off_last_line_is_ignored(make, tmp_path):
    write(tmp_path, to_json(make.run), "\n", to_json(make.step)[:-10])
    assert read_history(tmp_path) == make.history(make.run)


def test_a_whole_last_line_counts_without_its_newline(make, tmp_path):
    write(tmp_path, to_json(make.run), "\n", to_json(make.step))
    assert read_history(tmp_path) == make.history(make.run, make.step)


@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_can_be_read_and_written_on(make, tmp_path, data):
    lines = "".join(to_json(record) + "\n" for record in (make.run, make.step, make.epoch))
    cut = data.draw(st.integers(0, len(lines)))
    write(tmp_path, lines[:cut])
    before = resume_history(tmp_path)
    with Journal(tmp_path) as journal:
        journal.write(to_json(make.run))
    assert resume_history(tmp_path).processes == [make.run]
    whole = [parse(line) for line in journal.path.read_bytes().splitlines()][:-1]
    assert make.history(*whole) == before


@pytest.mark.parametrize(
    "line",
    ['{"record": "StepRe', "", "3", "[]", '{"record": "Other"}', '{"record": "EvalRecord"}', '{"record": "EndRecord", "reason": "x"}'],
)
def test_a_damaged_line_before_the_last_is_named(make, tmp_path, line):
    write(tmp_path, to_json(make.run), "\n", line, "\n", to_json(make.step), "\n")
    with pytest.raises(DataError, match=r"records\.jsonl, line 2: .*remove the line"):
        read_history(tmp_path)


def test_nan_in_the_file_is_named(make, tmp_path):
    write(tmp_path, to_json(make.run), "\n", to_json(make.step).replace("0.5", "NaN"), "\n")
    with pytest.raises(DataError, match="line 2: "):
        read_history(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere/records\.jsonl: no such file"):
        read_history(tmp_path / "nowhere")


def test_an_empty_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"records\.jsonl: holds no record yet"):
        read_history(write(tmp_path))


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(DataError, match=r"records\.jsonl: cannot be read: Is a directory"):
        resume_history(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"records\.jsonl: cannot be opened for writing: Not a directory"):
        Journal(tmp_path / "file" / "run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_named(make, tmp_path):
    (tmp_path / FILE_NAME).symlink_to("/dev/full")
    journal = Journal.__new__(Journal)
    journal.path = tmp_path / FILE_NAME
    journal._file = journal.path.open("ab", buffering=0)
    with journal, pytest.raises(DataError, match=r"records\.jsonl: cannot be written: No space left on device; make room"):
        journal.write(to_json(make.run))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("run", "name", ["x"]),
        ("run", "tasks", [1, 2]),
        ("run", "resumed_epoch", "0"),
        ("run", "steps_per_epoch", 10**400),
        ("run", "split_sizes", {"train": "many"}),
        ("step", "epoch", {}),
        ("step", "loss", True),
        ("loader", "step_ms", [1.0, 2.0]),
        ("loader", "seconds", "x"),
        ("loader", "gpu_peak_bytes", 0.5),
        ("eval", "num_samples", None),
        ("end", "reason", 3),
    ],
)
def test_a_value_of_another_type_is_named(make, tmp_path, kind, field, value):
    record = getattr(make, kind)
    fields = json.loads(to_json(record)) | {field: value}
    write(tmp_path, *([] if kind == "run" else [to_json(make.run), "\n"]), json.dumps(fields), "\n")
    with pytest.raises(
        DataError, match=rf"records.jsonl, line \d: {type(record).__name__}\.{field} is .*; restore the file or remove the line"
    ):
        read_history(tmp_path)


def test_a_wrong_type_inside_a_metric_is_found(make, tmp_path):
    fields = json.loads(to_json(make.eval))
    fields["metrics"][0]["accuracy"] = "good"
    write(tmp_path, to_json(make.run), "\n", json.dumps(fields), "\n")
    with pytest.raises(DataError, match=r"line 2: EvalRecord\.metrics is"):
        read_history(tmp_path)


def test_a_line_nested_more_and_more_deeply_is_refused_at_every_depth(make, tmp_path):
    line = to_json(make.end)
    for depth in range(100, 1100, 9):
        write(tmp_path, to_json(make.run), "\n", line.replace("100.0", "[" * depth + "]" * depth), "\n")
        with pytest.raises(DataError, match="line 2: "):
            read_history(tmp_path)


def test_steps_that_nobody_recorded_cost_no_memory(make, tmp_path):
    write(tmp_path, to_json(make.replace(make.run, steps_per_epoch=2**60)), "\n", to_json(make.epoch), "\n")
    with pytest.raises(ValueError, match=r"the tasks of epoch 1, step 1 are not recorded"):
        read_history(tmp_path).drawn_tasks()


@pytest.mark.parametrize(("first_step", "num_steps"), [(-1, 1), (0, 0), (0, -8), (0, 2**62)])
def test_masks_of_impossible_steps_are_refused(make, tmp_path, first_step, num_steps):
    masks = MaskRecord(
        epoch=0, first_step=first_step, num_steps=num_steps, drawn=pack(np.ones((1, 2), np.bool_)), trained=pack(np.ones((1, 2), np.bool_))
    )
    write(tmp_path, to_json(make.run), "\n", to_json(masks), "\n")
    with pytest.raises(DataError, match="line 2: "):
        read_history(tmp_path)
