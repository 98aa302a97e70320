"""Work spread over processes of this machine, one unit at a time each."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from multiprocessing.sharedctypes import Synchronized
from typing import Any, TypeVar

from shards.errors import DataError
from shards.packing.job import Advance

Job = TypeVar("Job")
Result = TypeVar("Result")
_TICK_SECONDS = 0.1
_AHEAD = 2
"""Jobs per worker that are prepared before their turn: each may hold its samples' names and labels."""


def warm_up(module: str) -> None:
    """Start what the workers are forked from, with a module loaded: it does so while this process prepares their work."""
    # forkserver: the libraries are imported once, and no lock of a parent's thread is inherited.
    multiprocessing.get_context("forkserver").set_forkserver_preload([module])
    # Before the signals are held back: starting it lets them through again.
    resource_tracker.ensure_running()
    with _signals_held_back():
        # It inherits the mask: Control-C while it loads is for the first process alone.
        forkserver.ensure_running()


def in_processes(
    work: Callable[[Job, Advance], Result], jobs: Iterable[Job], advance: Advance, *, workers: int, what: str
) -> Generator[Result]:
    """Do jobs in processes and yield the results as they come.

    Args:
        work: A module's function: does a job and tells of its progress. A `DataError` of its ends everything.
        jobs: Taken lazily, a few ahead of the work.
        advance: Told of the progress of all.
        workers: Number of processes.
        what: What the processes do, `packing`, for the message when one is killed.

    Raises:
        DataError: A job failed, or a process was killed. The other jobs are abandoned.
    """
    warm_up(work.__module__)
    context = multiprocessing.get_context("forkserver")
    counters = [context.Value("q") for _ in range(3)]
    told = [0, 0, 0]
    remaining = iter(jobs)
    with _pool(workers, context, counters) as pool:
        first = list(islice(remaining, workers * _AHEAD))
        # A worker whose start is interrupted would be nobody's.
        with _signals_held_back():
            pending = {pool.submit(_do, work, job) for job in first}
        while pending:
            done, pending = wait(pending, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
            results = [_result(future, what) for future in done]
            # Without their locks: a worker that was killed may hold one.
            now = [counter.get_obj().value for counter in counters]
            advance(*(value - before for value, before in zip(now, told, strict=True)))
            told = now
            pending |= {pool.submit(_do, work, job) for job in islice(remaining, len(done))}
            yield from results


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Answer SIGINT and SIGTERM at the end of the block only; a process started in it inherits that they are blocked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    arrived: list[int] = []
    # The mask alone is this thread's: a library's thread would take the signal, and Python answers it here all the same.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    handlers = [signal.signal(number, lambda number, _frame: arrived.append(number)) for number in numbers]
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        for number in arrived[:1]:
            signal.raise_signal(number)


@contextmanager
def _pool(workers: int, context: Any, counters: list[Synchronized]) -> Iterator[ProcessPoolExecutor]:  # noqa: ANN401 (typeshed hides it)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(counters,))
    try:
        yield pool
    except BaseException:
        # What is half done would be thrown away: nobody waits for it.
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future[Result], what: str) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise DataError(f"a {what} process was killed (out of memory?); run the command again with fewer --workers to go on") from error


_counters: list[Synchronized] = []


def _start_worker(counters: list[Synchronized]) -> None:
    _counters[:] = counters
    # Control-C reaches every process of the terminal; the first one alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A worker whose parent was killed must not go on: its file could replace one that the next command has written.
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()


def _end_with(wait_for_end: Callable[[], None]) -> None:
    wait_for_end()
    os._exit(1)


def _do(work: Callable[[Job, Advance], Result], job: Job) -> Result:
    return work(job, _advance)


def _advance(*amounts: int) -> None:
    for counter, amount in zip(_counters, amounts, strict=True):
        if amount:
            with counter.get_lock():
                counter.value += amount
