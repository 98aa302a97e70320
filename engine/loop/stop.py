"""Stopping at a signal, at a step's end, on all ranks alike."""

import os
import threading
import time
from contextlib import ExitStack
from types import FrameType

import torch
from accelerate import Accelerator
from torch import distributed

from engine.pipeline.loader import Loader
from shards.signals import handled

_STEPS_BETWEEN_LOOKS = 10
"""Steps between two questions to the other ranks; an answer is read as many steps after its question, so that no step waits for it."""


_PATIENCE_ALONE = 3.0
"""Seconds after which a run that was asked to stop no longer waits for a batch."""
_PATIENCE_WITH_OTHERS = 20.0
"""The same with several ranks, where only a step's end that all reach can have a checkpoint. Launchers and schedulers kill after 30 s."""


class WaitedTooLong(BaseException):
    """A signal has come, and the batch that would end the step does not."""


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
        self._patience = _PATIENCE_ALONE if accelerator.num_processes == 1 else _PATIENCE_WITH_OTHERS
        self._reminded = False
        self._closed = threading.Event()
        self._sending = threading.Lock()
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
        with self._sending:
            self._closed.set()
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

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if not self._received:
            self._received = True
            threading.Thread(target=self._remind, args=(number,), daemon=True).start()
        since, reminded, self._reminded = Loader.waiting_since, self._reminded, False
        if reminded and since is not None and time.monotonic() - since >= self._patience:
            raise WaitedTooLong

    def _remind(self, number: int) -> None:
        """Send the signal again, now and then: only its handler can end a wait of the main thread."""
        while not self._closed.wait(self._patience / 5):
            # Never after the handlers are given back: whoever has them then would take it for a new signal.
            with self._sending:
                if self._closed.is_set():
                    return
                self._reminded = True
                os.kill(os.getpid(), number)
