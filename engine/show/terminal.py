"""Is standard output a terminal that can be drawn on, or do plain lines have to do?"""

import sys
from typing import Literal, TextIO

from rich.console import Console

from engine.show.words import MINUS, TIMES
from shards.errors import ConfigurationError

Mode = Literal["auto", "rich", "plain", "quiet"]
_ASCII = str.maketrans({"·": "|", "…": "~", "†": "+", TIMES: "x", "±": "+-", MINUS: "-", "Δ": "D", "√": "sqrt "})


def open_terminal(mode: Mode = "auto") -> Console | None:
    """Return the console to draw on, None where plain lines have to do.

    Args:
        mode: `auto`, or what the user asked for.

    Raises:
        ConfigurationError: `rich` is asked for where standard output cannot write its characters.
    """
    speaks_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    if mode == "rich":
        if not speaks_utf8:
            raise ConfigurationError(
                f"report mode 'rich' needs a UTF-8 stdout, this one is {sys.stdout.encoding}; use 'plain' or PYTHONUTF8=1"
            )
        return Console(force_terminal=True)
    console = Console()
    is_drawn_on = mode == "auto" and console.is_terminal and not console.is_dumb_terminal and speaks_utf8
    return console if is_drawn_on else None


def encodable(line: str, encoding: str | None) -> str:
    r"""Return the line as a stream of that encoding can write it: our own signs as ASCII ones, the rest escaped.

    >>> encodable("accuracy 0.9 · ≤ 1 é", "ascii")
    'accuracy 0.9 | <=1 \\xe9'
    """
    encoding = encoding or "ascii"
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        # As wide as before, so that columns stay columns.
        return line.replace("≤ ", "<=").replace("≥ ", ">=").translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return line


def write_lines(stream: TextIO, *lines: str) -> None:
    """Write plain lines, each whole, and flush them."""
    for line in lines:
        stream.write(encodable(line, stream.encoding) + "\n")
    stream.flush()
