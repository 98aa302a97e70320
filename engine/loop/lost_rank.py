"""When another process of the run is gone: one line instead of what its connection had to say."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from accelerate import Accelerator
from torch.distributed import DistError

from shards.errors import RankLostError

_CONNECTION = re.compile(r"gloo|NCCL|TCPStore|Connection (closed|reset)|Broken pipe", re.IGNORECASE)


@contextmanager
def lost_ranks_told(accelerator: Accelerator) -> Iterator[None]:
    """Turn the error of a broken connection between ranks into one that says so.

    Raises:
        RankLostError: A collective call failed because another rank is gone.
    """
    try:
        yield
    except RuntimeError as error:
        # gloo raises plain RuntimeErrors.
        if accelerator.num_processes == 1 or not (isinstance(error, DistError) or _CONNECTION.search(str(error))):
            raise
        raise RankLostError(
            f"process {accelerator.process_index}: another process of this run has ended; its own message, or the kernel's log, tells why"
        ) from error
