"""Ranks that wait for each other while one of them, or another run, does hours of work."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from math import inf
from pathlib import Path

from accelerate import Accelerator
from torch import distributed

from shards.storage.lock import lock_folder

_POLL_SECONDS = 0.1
_PATIENCE = timedelta(days=30)


class Rendezvous:
    """Lets the ranks of a run meet, however late one comes; a rank that has ended is noticed at once.

    The collective calls of training take a rank for lost after minutes. So these have a group of their own, on the CPU.
    """

    def __init__(self, accelerator: Accelerator, while_waiting: Callable[[], object]) -> None:
        """Begin; a collective call.

        Args:
            accelerator: The ranks.
            while_waiting: Called now and then while this rank waits; what it raises ends the wait.
        """
        self._is_main = accelerator.is_main_process
        self._while_waiting = while_waiting
        group = distributed.new_group(backend="gloo", timeout=_PATIENCE) if accelerator.num_processes > 1 else None
        # A number is what ranks outside of a group get; here nobody is.
        self._group = group if isinstance(group, distributed.ProcessGroup) else None

    def meet(self) -> None:
        """Return when every rank is here."""
        if self._group is None:
            return
        work = distributed.barrier(group=self._group, async_op=True)
        while not work.is_completed():
            self._while_waiting()
            time.sleep(_POLL_SECONDS)
        work.wait()

    @contextmanager
    def alone_in(self, folders: Sequence[Path]) -> Iterator[None]:
        """Keep other runs out of folders until the first rank leaves the block; wait while one is at work there. A collective call.

        Raises:
            ConfigurationError: A folder cannot be written.
        """
        with ExitStack() as held:
            if self._is_main:
                # In one order everywhere: two runs that each had a folder that the other wants would wait for ever.
                for folder in sorted(folders):
                    held.enter_context(lock_folder(folder, work="feature computation", wait_seconds=inf, progress=self._while_waiting))
            self.meet()
            yield

    def close(self) -> None:
        """Give the group back; a collective call."""
        if self._group is not None:
            distributed.destroy_process_group(self._group)
