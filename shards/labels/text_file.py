"""Lines of a text file, whatever their ends and its encoding."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from shards.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_HEAD_BYTES = 2**16
_MAX_LINE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that is read line by line, and again where an error needs it."""

    path: Path
    name: str
    """What messages call it."""

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends, without the byte order mark: UTF-8, or UTF-16 as spreadsheets write it.

        Raises:
            DataError: The file cannot be read, is no such text, or has a line of more than 1 MiB.
        """
        number = 0
        try:
            with self.path.open("rb") as file:
                text = _as_text(file)
                read, end = (file.readline, b"") if text is None else (text.readline, "")
                for number, line in enumerate(iter(partial(read, _MAX_LINE_BYTES), end), start=1):
                    if len(line) >= _MAX_LINE_BYTES:
                        raise DataError(f"{self.name}, line {number}: is longer than 1 MiB; this is no annotation file")
                    yield line if isinstance(line, str) else line.decode()
        except UnicodeError as error:
            raise DataError(f"{self.name}, line {max(number, 1)}: is not UTF-8 text; convert the file") from error
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read ({error.strerror})") from error

    def check_blank(self, lines: Iterator[str], number: int) -> None:
        """Refuse the blank line of this number if one that is not blank follows."""
        if any(line.strip() for line in lines):
            raise DataError(f"{self.name}, line {number}: is blank, and more rows follow; remove the line")


def _as_text(file: BinaryIO) -> io.TextIOWrapper | None:
    """Return what reads text whose lines are not found by looking for line feeds; seek to the first line of other text."""
    head = file.read(_HEAD_BYTES)
    is_utf_16 = head.startswith(_UTF_16_MARKS)
    if is_utf_16 or (b"\r" in head and b"\n" not in head):
        file.seek(0)
        # Carriage returns alone end lines, as on old Macs; Python's text mode knows every kind of end.
        return io.TextIOWrapper(file, "utf-16" if is_utf_16 else "utf-8-sig", newline="")
    file.seek(len(_BYTE_ORDER_MARK) if head.startswith(_BYTE_ORDER_MARK) else 0)
    return None
