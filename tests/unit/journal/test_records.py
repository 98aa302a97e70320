"""Records as JSON lines."""

import dataclasses
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.journal.records import EndRecord, EpochRecord, EvalRecord, LoaderRecord, RunRecord, StepRecord, TaskMetrics, from_json, to_json

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, min_size=2, max_size=2), st.text())
def test_round_trip_keeps_every_digit(values, name):
    metrics = TaskMetrics(
        **{field.name: values[0] for field in dataclasses.fields(TaskMetrics) if field.name != "task"} | {"task": name, "f1": None}
    )
    records = (
        StepRecord(epoch=0, step=1, loss=values[0], active=(True, False), images_per_second=values[1], data_wait_share=0.5),
        EvalRecord(epoch=1, split=name, num_samples=3, seconds=values[1], metrics=(metrics, metrics)),
        EndRecord(reason=name, seconds=values[0]),
    )
    for record in records:
        line = to_json(record)
        assert "\n" not in line
        assert from_json(line) == record


def test_nan_is_refused():
    with pytest.raises(ValueError, match=r"not JSON compliant"):
        to_json(EndRecord(reason="finished", seconds=float("nan")))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        "[]",
        '{"record": "EvalRecord"}',
        '{"record": "EvalRecord", "metrics": [{"x": 1}]}',
        '{"record": "Unknown"}',
        '{"record": "EndRecord", "reason": "finished"}',
    ],
)
def test_foreign_lines_are_refused(line):
    with pytest.raises(ValueError, match=r"names no known record|Expecting|is not a E"):
        from_json(line)


def test_every_field_says_how_to_read_it():
    for cls in (RunRecord, StepRecord, EpochRecord, LoaderRecord, EvalRecord, EndRecord, TaskMetrics):
        source = inspect.getsource(cls)
        assert source.count('"""') == 2 * (len(dataclasses.fields(cls)) + 1), cls
