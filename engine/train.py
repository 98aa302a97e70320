"""What `accelerate launch` starts: parse, build, train."""

import ctypes
import os
import signal
import sys
import time

from engine.command_line import parse
from engine.home import leave_home_alone
from shards.command import DEBUG_FLAG, with_exit_code
from shards.errors import DataError, DropstreamError, Interrupted, InterruptedWaiting, RankLostError

_PR_SET_PDEATHSIG = 1
_OTHERS_SECONDS = 3.0
"""For the rank of this machine that tells what all ranks find."""


def main() -> None:
    """Train from the command line and exit with the documented code."""
    if "ACCELERATE_MIXED_PRECISION" in os.environ:
        # `accelerate launch` dies of a SIGTERM without passing it on; ask the kernel for one when the launcher goes.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    leave_home_alone()
    with_exit_code(_train, debug=DEBUG_FLAG in sys.argv)


def _train() -> None:
    try:
        config = parse([argument for argument in sys.argv[1:] if argument != DEBUG_FLAG])
        # Imported here: neither help nor a wrong option waits for torch.
        from engine.run.run import run

        run(config)
    except DropstreamError as error:
        # All ranks find the same mistake, and one of each machine tells it, because folders are a machine's own; a damaged sample or a
        # lost rank may be known to any one of them.
        if os.environ.get("LOCAL_RANK", "0") != "0" and not isinstance(error, DataError | RankLostError | InterruptedWaiting):
            # Where all have found it, the launcher ends this process meanwhile; an error that only this rank has met is told.
            if isinstance(error, Interrupted):
                # All of them stop together.
                sys.exit(error.exit_code)
            time.sleep(_OTHERS_SECONDS)
        raise


if __name__ == "__main__":
    main()
