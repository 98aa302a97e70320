"""The GPU's driver: a card that CUDA cannot use must not become training on the CPU without a word."""

import os
import re
import warnings
from pathlib import Path

import torch
from accelerate.utils import parse_flag_from_env

from shards.errors import ConfigurationError

DEVICES = Path("/dev")
DRIVER = Path("/proc/driver/nvidia/version")


def check_driver() -> None:
    """Look whether CUDA can use the GPU, where this machine has one and nothing says to leave it alone.

    Raises:
        ConfigurationError: It cannot.
    """
    card = next(iter(sorted(DEVICES.glob("nvidia[0-9]*"))), None)
    if _is_left_alone() or card is None or _cuda_is_available():
        return
    toolkit = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    raise ConfigurationError(
        f"this machine has an NVIDIA GPU ({card}, driver {driver_version()}), but torch {torch.__version__}, built {toolkit}, cannot "
        f"use it: {_reason()}; install a newer driver or a torch for this one, or train on the CPU with ACCELERATE_USE_CPU=true"
    )


def uses_cpu() -> bool:
    """Return whether `ACCELERATE_USE_CPU` asks for the CPU.

    Raises:
        ConfigurationError: It is neither yes nor no.
    """
    try:
        return bool(parse_flag_from_env("ACCELERATE_USE_CPU"))
    except ValueError as error:
        raise ConfigurationError(f"ACCELERATE_USE_CPU is {os.environ['ACCELERATE_USE_CPU']!r}, expected true or false") from error


def _is_left_alone() -> bool:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # CUDA takes the devices before the first number that is none; NoDevFiles is Slurm's word for a job without a GPU.
    first = "0" if visible is None else visible.partition(",")[0].strip()
    return uses_cpu() or first in ("", "-1", "NoDevFiles")


def _cuda_is_available() -> bool:
    with warnings.catch_warnings():
        # What torch warns of here is the reason that is given below.
        warnings.simplefilter("ignore")
        return torch.cuda.is_available()


def driver_version() -> str:
    """Return the version of NVIDIA's driver, or that it is unknown."""
    try:
        found = re.search(r"Module .*?(\d+\.\d+(\.\d+)?)", DRIVER.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    return found[1] if found else "of unknown version"


def _reason() -> str:
    """Return the first sentence of what torch says when it is made to start CUDA."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().partition(". ")[0].partition("\n")[0].rstrip(".")
    return "CUDA starts, but finds no device"
