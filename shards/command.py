"""What every command has in common: flags from a dataclass, errors as one line, documented exit codes."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import tyro

from shards.errors import DropstreamError

Options = TypeVar("Options")

DEBUG_FLAG = "--debug"


def run(options_type: type[Options], function: Callable[[Options], None]) -> NoReturn:
    """Parse the command line into `options_type`, call `function` with it and exit.

    Args:
        options_type: A dataclass; its docstring and field docstrings become `--help`.
        function: The command. A `DropstreamError` it raises becomes one line on stderr and the error's exit code;
            with `--debug` the traceback is shown as well.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]
    debug = len(arguments) != len(sys.argv) - 1
    with_exit_code(lambda: function(tyro.cli(options_type, args=arguments, config=(tyro.conf.FlagConversionOff,))), debug=debug)


def with_exit_code(function: Callable[[], None], *, debug: bool) -> NoReturn:
    """Call `function` and exit with the code that its outcome has in the documentation."""
    try:
        function()
    except DropstreamError as error:
        if debug:
            raise
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        # What a shell reports for a process that SIGINT ended.
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (`| head`) went away; the interpreter would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def one_line(message: str) -> str:
    r"""Return the message on one line, with control characters (ANSI escapes in a key, say) made visible.

    >>> one_line("bad" + chr(27) + "[31m key" + chr(10) + "next")
    'bad\\x1b[31m key next'
    """
    flat = " ".join(message.split())
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in flat)
