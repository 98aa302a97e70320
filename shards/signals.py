"""Signals that ask a command to stop."""

import atexit
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

Handler = Callable[[int, FrameType | None], object]

_ALWAYS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""Schedulers warn with SIGUSR1 or SIGUSR2 before they kill: `sbatch --signal`, submitit."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask to stop: SIGHUP among them unless it is ignored, as nohup has it."""
    return _ALWAYS if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*_ALWAYS, signal.SIGHUP)


def interrupt_on_stop() -> None:
    """Let the first of these signals raise `KeyboardInterrupt` in this process, and the others do nothing."""
    for number in stop_signals():
        signal.signal(number, _interrupt)


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Give these signals to a handler for the length of the block; only the main thread may."""
    previous = {number: signal.signal(number, handler) for number in stop_signals()}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def ignore_stop_at_exit() -> None:
    """Let a signal that comes while this process ends do nothing: all is done, and what libraries tidy up must not be cut short."""
    # What is registered last is called first.
    atexit.register(_ignore_stop)


def _ignore_stop() -> None:
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Whoever presses Control-C twice must not interrupt the tidying up, nor change the exit code.
    _ignore_stop()
    raise KeyboardInterrupt
