"""Rows of features."""

import numpy as np
import pytest
import torch

from engine.loop.features.table import FeatureTable, resident

CPU = torch.device("cpu")


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_rows_come_as_floats_in_the_order_asked_for(dtype, device):
    values = {"a": torch.arange(12.0).view(6, 2).to(dtype), "b": torch.arange(6.0).view(6, 1).to(dtype)}
    table = FeatureTable(
        values=values, mirrored={tap: value + 100 for tap, value in values.items()}, ids=None, device=torch.device(device), bad={}
    )
    assert table.rows_of(np.array([5, 0, 5])).tolist() == [5, 0, 5]
    taken = table.take(torch.tensor([5, 0, 5]), None)
    assert {tap: value.tolist() for tap, value in taken.items()} == {"a": [[10, 11], [0, 1], [10, 11]], "b": [[5], [0], [5]]}
    assert {value.dtype for value in taken.values()} == {torch.float32}
    mirrored = table.take(torch.tensor([5, 0, 5]), torch.tensor([True, False, False]))
    assert mirrored["a"].tolist() == [[110, 111], [0, 1], [10, 11]]
    assert mirrored["b"].tolist() == [[105], [0], [5]]


def test_a_sample_is_found_among_those_that_are_used():
    table = FeatureTable(values={}, mirrored={}, ids=np.array([2, 3, 7, 90]), device=CPU, bad={})
    assert table.rows_of(np.array([90, 2, 7, 7])).tolist() == [3, 0, 2, 2]


def test_on_a_cpu_rows_stay_where_they_are():
    values = {"a": torch.zeros(6, 2)}
    found, on_device = resident(values, np.array([1, 2]), CPU)
    assert not on_device
    assert found["a"] is values["a"]


@pytest.mark.parametrize(("free", "fits"), [(2 * 3 * 8 / 0.6 + 1, True), (2 * 3 * 8 / 0.6 - 1, False)])
def test_on_a_gpu_they_are_taken_there_if_they_fit(monkeypatch, free, fits):
    """Without a GPU: one that is said to have so much memory, and whatever is sent there stays here."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**9))
    monkeypatch.setattr(torch.Tensor, "to", lambda value, device: value if device.type == "cuda" else None)
    values = {"a": torch.arange(12.0).view(6, 2), "b": torch.arange(12.0).view(6, 2)}
    # 3 rows of 2 floats, twice.
    found, on_device = resident(values, np.array([1, 2, 5]), torch.device("cuda", 0))
    assert on_device is fits
    assert found["a"].tolist() == ([[2, 3], [4, 5], [10, 11]] if fits else values["a"].tolist())
