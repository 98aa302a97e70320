from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.journal.history import read_history, resume_history
from engine.journal.journal import FILE_NAME, Journal, parse
from engine.journal.records import to_json
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
