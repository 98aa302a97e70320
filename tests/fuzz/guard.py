"""The bounds of one process: memory and time; and what a finding is called."""

import resource
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.fuzz.target import MEMORY_BYTES, Target

ROOT = Path(__file__).parents[2]
_OURS = (str(ROOT / "shards"), str(ROOT / "engine"))


class TookTooLongError(BaseException):
    """An input takes longer than it may. Not an `Exception`: a reader could catch that."""


def limit_memory() -> None:
    """Give this process no more than `MEMORY_BYTES` on top of what it takes now: what asks for more has a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@contextmanager
def limited_time(seconds: float) -> Iterator[None]:
    """Raise a TookTooLongError where the block takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(target: Target, data: bytes) -> tuple[bool, BaseException | None]:
    """Read an input; return whether it was refused as documented, and what should not have been raised."""
    try:
        return target.refuses(data), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (whatever it is: that is the question)
        return False, error


def in_words(error: BaseException) -> str:
    """Return what was raised, and where: one line by which findings are told apart."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_OURS)]
    if not frames:
        return type(error).__name__
    last = (ours or list(frames))[-1]
    path = Path(last.filename)
    return f"{type(error).__name__} at {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{last.lineno}"
