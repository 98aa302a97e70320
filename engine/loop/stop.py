"""Stopping at a signal, at a step's end, on all ranks alike."""

import signal
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Remembers that SIGTERM or SIGINT has come. Further signals change nothing: the checkpoint is being written.

    A context manager: the two signals are its own from entry to exit.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        """Begin unasked.

        Args:
            accelerator: Lets the ranks agree.
        """
        self._accelerator = accelerator
        self._received = False
        self._previous: list[Any] = []

    def __enter__(self) -> "StopRequest":
        """Take over the signals; only the main thread may."""
        self._previous = [signal.signal(number, self._handle) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in zip(_SIGNALS, self._previous, strict=True):
            signal.signal(number, handler)

    @property
    def received(self) -> bool:
        """Whether a signal has come to this rank."""
        return self._received

    def agreed(self, *, reported: bool) -> bool:
        """Return whether to stop now; the same on every rank.

        Args:
            reported: This step is synchronised anyway. With several ranks only such steps ask the others, so that no step
                waits for the slowest rank just to hear "no".
        """
        if self._accelerator.num_processes == 1:
            return self._received
        if not reported:
            return False
        flag = torch.tensor(float(self._received), device=self._accelerator.device)
        return bool(self._accelerator.reduce(flag).item())

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._received = True
