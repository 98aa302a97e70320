"""Standard output and error that outlast their readers.

Who reads them may go away while we work: `| head`, `| tee` and Control-C, a terminal that is closed, a daemon that never gave us any. That
is no reason to stop, and must not cost a checkpoint or change an exit code: what is written then goes nowhere.
"""

import errno
import io
import os
import sys
from typing import Any

_GONE = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN)
"""What a write says when nobody reads any more; EIO is a terminal's."""


def outlast_readers() -> None:
    """Let standard output and error of this process go on without a reader; streams that something else has put there stay."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            _occupy(descriptor)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (for the life of the process)
        elif (
            stream is getattr(sys, f"__{name}__")
            and isinstance(stream, io.TextIOWrapper)
            and not isinstance(stream.buffer, _Buffer | _Lasting)
        ):
            _flush(stream)
            # Unbuffered stays unbuffered: each word is out before a crash.
            buffer: Any = _Lasting(descriptor) if stream.write_through else _Buffer(_Lasting(descriptor))
            # What the console cannot show is escaped: a name in another script must not end a command.
            errors = "backslashreplace" if stream.errors in ("strict", "surrogateescape") else stream.errors
            # Replaced under both names: the interpreter flushes the second at its end.
            lasting = io.TextIOWrapper(
                buffer, stream.encoding, errors, line_buffering=stream.line_buffering, write_through=stream.write_through
            )
            setattr(sys, name, lasting)
            setattr(sys, f"__{name}__", lasting)


class _Buffer(io.BufferedWriter):
    """Tells our streams from others."""


class _Lasting(io.RawIOBase):
    """A descriptor whose writes succeed, whoever reads it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: Any) -> int:  # noqa: ANN401 (anything with bytes in it)
        """Write bytes; after the reader has gone, into nothing."""
        content = memoryview(data).cast("B")
        done = 0
        while done < len(content):
            try:
                done += os.write(self._descriptor, content[done:])
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                _redirect(self._descriptor)
        return done

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether a terminal reads it."""
        return os.isatty(self._descriptor)


def _flush(stream: io.TextIOWrapper) -> None:
    try:
        stream.flush()
    except OSError as error:
        if error.errno not in _GONE:
            raise


def _occupy(descriptor: int) -> None:
    """Keep a closed descriptor from being given to the next file that is opened: libraries would write into that."""
    try:
        os.fstat(descriptor)
    except OSError:
        _redirect(descriptor)


def _redirect(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
