"""A machine with a GPU that CUDA cannot use."""

import warnings

import pytest
import torch

from engine import gpu_driver
from engine.command_line import parse
from engine.gpu_driver import check_driver
from engine.run.run import run
from shards.errors import ConfigurationError
from tests.integration.conftest import flags

VERSION = "NVRM version: NVIDIA UNIX {}  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc version 11.4.0\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with a card and an old driver; CUDA does not come up."""
    (tmp_path / "nvidia0").touch()
    (tmp_path / "nvidiactl").touch()
    (tmp_path / "version").write_text(VERSION.format("x86_64 Kernel Module"))
    monkeypatch.setattr(gpu_driver, "DEVICES", tmp_path)
    monkeypatch.setattr(gpu_driver, "DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    def not_available():
        warnings.warn("CUDA initialization: the driver is too old", UserWarning, stacklevel=1)
        return False

    def fails():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver.")

    monkeypatch.setattr(torch.cuda, "is_available", not_available)
    monkeypatch.setattr(torch.cuda, "init", fails)
    for name in ("ACCELERATE_USE_CPU", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_card_that_cuda_cannot_use_is_told_with_driver_and_toolkit(machine):
    with pytest.raises(ConfigurationError) as refused:
        check_driver()
    assert str(refused.value) == (
        f"this machine has an NVIDIA GPU ({machine}/nvidia0, driver 535.104.05), but torch {torch.__version__}, built for CUDA 13.0, "
        "cannot use it: The NVIDIA driver on your system is too old (found version 12020); install a newer driver or a torch for this one, "
        "or train on the CPU with ACCELERATE_USE_CPU=true"
    )


def test_a_run_is_refused_before_anything_is_written(machine, shards):
    with pytest.raises(ConfigurationError, match="this machine has an NVIDIA GPU"):
        run(parse(flags(shards, machine / "run")))
    assert not (machine / "run").exists()


@pytest.mark.usefixtures("machine")
def test_a_torch_without_cuda_is_named(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def fails():
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch.cuda, "init", fails)
    with pytest.raises(ConfigurationError, match="built without CUDA, cannot use it: Torch not compiled with CUDA enabled; install"):
        check_driver()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (VERSION.format("Open Kernel Module for x86_64"), "driver 535.104.05"),
        ("nothing of the kind", "driver of unknown version"),
        (None, "driver of unknown version"),
    ],
)
def test_other_drivers(machine, text, told):
    (machine / "version").unlink()
    if text is not None:
        (machine / "version").write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        check_driver()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCELERATE_USE_CPU", "true"),
        ("ACCELERATE_USE_CPU", "1"),
        ("ACCELERATE_USE_CPU", "yes"),
        ("CUDA_VISIBLE_DEVICES", ""),
        ("CUDA_VISIBLE_DEVICES", "-1"),
        ("CUDA_VISIBLE_DEVICES", " -1,0"),
        ("CUDA_VISIBLE_DEVICES", "NoDevFiles"),
    ],
)
@pytest.mark.usefixtures("machine")
def test_whoever_asks_for_the_cpu_gets_it(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    check_driver()


@pytest.mark.parametrize(
    ("name", "value"), [("ACCELERATE_USE_CPU", "false"), ("CUDA_VISIBLE_DEVICES", "0,1"), ("CUDA_VISIBLE_DEVICES", "GPU-8a5")]
)
@pytest.mark.usefixtures("machine")
def test_whoever_asks_for_a_gpu_is_told(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError):
        check_driver()


def test_the_second_card_alone_counts_too(machine):
    (machine / "nvidia0").rename(machine / "nvidia1")
    with pytest.raises(ConfigurationError, match="/nvidia1, driver"):
        check_driver()


def test_without_a_card_or_with_cuda_there_is_nothing_to_tell(machine, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        check_driver()
    (machine / "nvidia0").unlink()
    check_driver()
