"""A thread that does the next few pieces of work before they are asked for."""

import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")
_Piece = tuple[Callable[[int], T], int, Future[T]]

_PATIENCE_SECONDS = 5.0


class ReadAhead(Generic[T]):
    """Results of `work(first), work(first + 1), …`, made in this order by one thread, some of them ahead of time.

    The thread does not outlive the process: a read that never ends, on a network file system for instance, must not keep it. That is what
    an executor's threads do.
    """

    def __init__(self, work: Callable[[int], T], *, first: int, depth: int) -> None:
        """Begin with nothing; the first `take` starts the thread.

        Args:
            work: Makes the result of a number; only ever called by the thread.
            first: First number.
            depth: Results that are ready or being made beyond the one asked for.
        """
        self._work = work
        self._wanted: SimpleQueue[_Piece[T] | None] = SimpleQueue()
        self._thread = Thread(target=_make, args=(self._wanted,), name="read-ahead", daemon=True)
        # Also when nobody closes it.
        self._end = weakref.finalize(self, self._wanted.put, None)
        self._next = first
        self._depth = depth
        self._pending: deque[Future[T]] = deque()

    def take(self) -> T:
        """Return the next result; raise what its work raised."""
        if not self._thread.ident:
            self._thread.start()
        while len(self._pending) <= self._depth:
            self._pending.append(Future())
            self._wanted.put((self._work, self._next, self._pending[-1]))
            self._next += 1
        return self._pending.popleft().result()

    def close(self) -> None:
        """Finish the piece at hand, drop the rest and end the thread; a piece that takes long is left alone."""
        for future in self._pending:
            future.cancel()
        self._end()
        if self._thread.ident:
            self._thread.join(_PATIENCE_SECONDS)


def _make(wanted: "SimpleQueue[_Piece[T] | None]") -> None:
    while (piece := wanted.get()) is not None:
        work, number, future = piece
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work(number))
            except BaseException as error:  # noqa: BLE001 (raised where the result is asked for)
                future.set_exception(error)
        # While it waits for the next piece the thread keeps nothing alive, or nobody could drop what it works for.
        del piece, work, future
