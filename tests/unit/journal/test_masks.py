"""Masks as text, and in the history of runs that were cut off."""

import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.journal.history import RunHistory, read_history
from engine.journal.journal import FILE_NAME
from engine.journal.masks import MaskTally, pack, unpack
from engine.journal.records import MaskRecord, from_json, to_json
from shards.errors import DataError
from tests.unit.conftest import EPOCH, RUN

FOUR = replace(RUN, epochs=2, steps_per_epoch=4)


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 41))))
def test_what_was_packed_is_unpacked(masks):
    assert np.array_equal(unpack(pack(masks), *masks.shape), masks)


def test_a_long_run_takes_little():
    masks = np.random.default_rng(0).random((100_000, 40)) < 0.9
    assert len(pack(masks)) < 500_000
    assert len(pack(np.ones((100_000, 40), np.bool_))) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("?", "the masks are damaged"),
        (base64.b64encode(b"no zlib").decode(), "the masks are damaged"),
        (None, "the masks are damaged"),
        (pack(np.ones((3, 3), np.bool_)), "not those of 4 steps and 5 tasks"),
        (pack(np.ones((30, 30), np.bool_)), "not those of 4 steps and 5 tasks"),
        # A few bytes that would unpack to a hundred million.
        (base64.b64encode(zlib.compress(bytes(10**8))).decode(), "not those of 4 steps and 5 tasks"),
    ],
    ids=["text", "bytes", "none", "short", "long", "bomb"],
)
def test_damaged_masks_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        unpack(text, 4, 5)


def test_steps_are_told_once():
    tally = MaskTally()
    assert tally.record(0) is None
    for step in (5, 6):
        tally.add(step, np.array([True, step == 5]), np.array([True, False]))
    record = tally.record(3)
    assert (record.epoch, record.first_step, record.num_steps) == (3, 5, 2)
    assert unpack(record.drawn, 2, 2).tolist() == [[True, True], [True, False]]
    assert unpack(record.trained, 2, 2).tolist() == [[True, False], [True, False]]
    assert tally.record(3) is None
    assert from_json(to_json(record)) == record


def masks(epoch: int, first: int, *steps: tuple[bool, bool]) -> MaskRecord:
    drawn = np.array(steps, np.bool_)
    return MaskRecord(epoch=epoch, first_step=first, num_steps=len(steps), drawn=pack(drawn), trained=pack(drawn & np.array([True, False])))


def history(*records) -> RunHistory:
    found = RunHistory()
    for record in records:
        found.add(record)
    return found


BOTH, ONE = (True, True), (False, True)


def test_a_resumed_run_has_each_step_once():
    first, second = replace(EPOCH, epoch=0), replace(EPOCH, epoch=1)
    # Checkpoints after steps 2 and 4 of the second epoch; killed; gone on from the former, and from the middle of a record.
    for begin, again in ((2, masks(1, 2, ONE, ONE)), (1, masks(1, 1, ONE, ONE, ONE))):
        resumed = replace(FOUR, resumed_epoch=1, resumed_step=begin)
        found = history(
            FOUR, masks(0, 0, *[BOTH] * 4), first, masks(1, 0, BOTH, BOTH), masks(1, 2, BOTH, BOTH), second, resumed, again, second
        )
        assert found.drawn_tasks().tolist() == [[True, True]] * (4 + begin) + [[False, True]] * (4 - begin)
        assert found.trained_tasks().tolist() == [[True, False]] * (4 + begin) + [[False, False]] * (4 - begin)


def test_masks_do_not_change_what_a_run_is_doing():
    found = history(FOUR, replace(EPOCH, epoch=0), masks(1, 0, BOTH))
    assert found.latest == replace(EPOCH, epoch=0)
    # An epoch that is not finished has no steps to show.
    with pytest.raises(ValueError, match="the tasks of epoch 1, step 1 are not recorded"):
        found.trained_tasks()


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="not those of 1 steps and 2 tasks"):
        history(FOUR, replace(masks(0, 0, BOTH), drawn=pack(np.ones((5, 5), np.bool_))))


def test_runs_of_another_version_are_refused_in_one_line(tmp_path):
    (tmp_path / FILE_NAME).write_text(to_json(RUN).replace(', "version": 2', "") + "\n")
    with pytest.raises(DataError) as refused:
        read_history(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path / FILE_NAME}: has records of version 1, and this Dropstream has version 2; train the run anew in another folder"
    )
