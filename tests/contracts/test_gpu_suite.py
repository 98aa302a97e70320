"""What the tests in tests/gpu rely on, checked without a GPU."""

import warnings
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from tests.launch import ROOT
from tests.waiting import no_waiting


@pytest.fixture
def modes(monkeypatch) -> list[str]:
    """The debug modes that are set, by a function that warns as torch's does."""
    seen = []

    def set_mode(mode):
        seen.append(mode)
        warnings.warn("Synchronization debug mode is a prototype feature", UserWarning, stacklevel=1)

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    return seen


def test_the_debug_mode_ends_although_setting_it_warns(modes):
    with pytest.raises(RuntimeError, match="waits"), no_waiting():
        raise RuntimeError("waits")
    with no_waiting():
        assert modes[-1] == "error"
    assert modes == ["error", "default"] * 2


def test_the_debug_mode_ends_where_setting_it_fails(monkeypatch):
    seen = []

    def fail_once(mode):
        seen.append(mode)
        if mode == "error":
            raise RuntimeError("no such mode")

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", fail_once)
    with pytest.raises(RuntimeError, match="no such mode"), no_waiting():
        pass
    assert seen == ["error", "default"]


def test_no_gpu_test_sets_the_debug_mode_by_itself():
    assert [path.name for path in Path(ROOT / "tests" / "gpu").glob("*.py") if "sync_debug_mode" in path.read_text()] == []


@pytest.mark.parametrize("precision", ["bf16", "no"])
def test_each_test_has_an_accelerator_of_its_own(precision):
    assert Accelerator(mixed_precision=precision).mixed_precision == precision


def test_on_a_gpu_machine_other_tests_stay_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Accelerator().device.type == "cpu"
