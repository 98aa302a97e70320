"""A thread that does the next few pieces of work before they are asked for."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Results of `work(first), work(first + 1), …`, made in this order by one thread, some of them ahead of time."""

    def __init__(self, work: Callable[[int], T], *, first: int, depth: int) -> None:
        """Begin with nothing; the first `take` starts the thread.

        Args:
            work: Makes the result of a number; only ever called by the thread.
            first: First number.
            depth: Results that are ready or being made beyond the one asked for.
        """
        self._work = work
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._next = first
        self._depth = depth
        self._pending: deque[Future[T]] = deque()

    def take(self) -> T:
        """Return the next result; raise what its work raised."""
        while len(self._pending) <= self._depth:
            self._pending.append(self._executor.submit(self._work, self._next))
            self._next += 1
        return self._pending.popleft().result()

    def close(self) -> None:
        """Finish the piece at hand, drop the rest and end the thread."""
        self._executor.shutdown(cancel_futures=True)
