"""Stopping at a signal, at a step's end, on all ranks alike."""

from contextlib import ExitStack
from types import FrameType

import torch
from accelerate import Accelerator
from torch import distributed

from shards.signals import handled

_STEPS_BETWEEN_LOOKS = 10
"""Steps between two questions to the other ranks; an answer is read as many steps after its question, so that no step waits for it."""


class StopRequest:
    """Remembers that a signal has come that asks to stop. Further ones change nothing: the checkpoint is being written.

    A context manager: these signals are its own from entry to exit.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        """Begin unasked; a collective call.

        Args:
            accelerator: Lets the ranks agree.
        """
        self._accelerator = accelerator
        self._received = False
        self._held = ExitStack()
        self._steps = 0
        self._question: tuple[distributed.Work, torch.Tensor] | None = None
        # A group on the CPU: the question runs beside the step, and its answer costs a GPU no wait.
        group = distributed.new_group(backend="gloo") if accelerator.num_processes > 1 else None
        self._group = group if isinstance(group, distributed.ProcessGroup) else None

    def __enter__(self) -> "StopRequest":
        """Take over the signals; only the main thread may."""
        self._held.enter_context(handled(self._handle))
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        self._held.close()

    @property
    def received(self) -> bool:
        """Whether a signal has come to this rank."""
        return self._received

    def agreed(self, *, reported: bool) -> bool:
        """Return whether to stop now; the same on every rank. Called after every step.

        Args:
            reported: This step is synchronised anyway. With several ranks other steps read the answer to a question that was asked some
                steps before, so that no step waits for the slowest rank just to hear "no".
        """
        if self._group is None:
            return self._received
        if reported:
            flag = torch.tensor(float(self._received), device=self._accelerator.device)
            return bool(self._accelerator.reduce(flag).item())
        self._steps += 1
        return self._steps % _STEPS_BETWEEN_LOOKS == 0 and self._asked_before()

    def _asked_before(self) -> bool:
        """Return the answer to the last question, and ask the next."""
        said = False
        if self._question is not None:
            work, answer = self._question
            work.wait()
            said = bool(answer.item())
        answer = torch.tensor(float(self._received))
        work = distributed.all_reduce(answer, group=self._group, async_op=True)
        self._question = None if work is None else (work, answer)
        return said

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._received = True
