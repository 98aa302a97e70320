"""The run's records on disk: `records.jsonl`, one record per line, appended as they happen."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.journal.records import Record, from_json, to_json
from shards.errors import DataError

FILE_NAME = "records.jsonl"


class Journal:
    """Appends records to a run's `records.jsonl`; each line is in the hands of the operating system when `write` returns.

    Args:
        run_dir: The run folder; made when missing. A line that a crash cut off is taken away, so that the next one starts afresh.

    Raises:
        DataError: The file cannot be opened or written.
    """

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / FILE_NAME
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            _mend_tail(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be opened for writing: {error.strerror or error}") from error

    def write(self, line: str) -> None:
        """Append one record's line."""
        content = memoryview((line + "\n").encode())
        try:
            if not os.fstat(self._file.fileno()).st_nlink:
                # It can still be written, and nobody will ever read it.
                raise DataError(f"{self.path}: was removed while the run wrote to it; what was trained since is lost")
            while content:
                # An unbuffered write may take only a part, on a disk that is just filling up.
                content = content[self._file.write(content) :]
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror or error}; make room and resume the run") from error

    def __enter__(self) -> Self:
        """Return the open journal."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file; nothing is left to flush."""
        self._file.close()


def parse(line: bytes) -> Record:
    """Return the record of one line.

    Raises:
        ValueError: The line is no record.
    """
    try:
        record = from_json(line.decode())
        # Python's JSON reader lets NaN pass, the writer does not.
        to_json(record)
    except (AttributeError, KeyError, TypeError) as error:
        # JSON, but not of the form that `to_json` writes: a number, an evaluation without metrics.
        raise ValueError(f"the line is no record ({type(error).__name__}: {error})") from error
    except RecursionError as error:
        raise ValueError("the line is no record: it is nested too deeply") from error
    return record


def is_whole(line: bytes) -> bool:
    """Return whether a line without its newline is a record."""
    try:
        parse(line)
    except ValueError:
        return False
    return True


def _mend_tail(path: Path) -> None:
    """Make the file end in a newline: complete a whole last line, cut off a part of one."""
    content = path.read_bytes()
    tail = content[content.rfind(b"\n") + 1 :]
    if tail and is_whole(tail):
        with path.open("ab") as file:
            file.write(b"\n")
    elif tail:
        os.truncate(path, len(content) - len(tail))
