"""Work in processes."""

import pytest

from shards.errors import DataError
from shards.packing.runner.pool import in_processes
from tests.damage import work


def run(jobs, told):
    return list(in_processes(work, jobs, lambda *amounts: told.append(amounts), workers=2, what="testing"))


def test_every_job_is_done_once_and_its_progress_told():
    told = []
    assert sorted(run("abcdefg", told)) == list("ABCDEFG")
    assert [sum(column) for column in zip(*told, strict=True)] == [7, 70, 0]


def test_an_error_of_a_job_is_the_callers():
    with pytest.raises(DataError, match="it failed"):
        run(["a", "fail", "b"], [])


def test_a_killed_process_is_an_error_and_no_hang():
    with pytest.raises(DataError, match=r"a testing process was killed \(out of memory\?\); run the command again with fewer --workers"):
        run(["a", "die", "b"], [])
