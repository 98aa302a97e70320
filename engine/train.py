"""What `accelerate launch` starts: parse, build, train."""

import os
import sys

from engine.command_line import parse
from engine.run import run
from shards.command import DEBUG_FLAG, with_exit_code
from shards.errors import ConfigurationError


def main() -> None:
    """Train from the command line and exit with the documented code."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]

    def train() -> None:
        try:
            run(parse(arguments))
        except ConfigurationError as error:
            # Every rank finds the same mistake; one tells it.
            if os.environ.get("RANK", "0") != "0":
                sys.exit(error.exit_code)
            raise

    with_exit_code(train, debug=DEBUG_FLAG in sys.argv)


if __name__ == "__main__":
    main()
