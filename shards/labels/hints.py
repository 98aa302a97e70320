"""The error for a cell that cannot be read, with the flag that would read it."""

import re

from shards.errors import DataError
from shards.image.header import IMAGE_SUFFIXES
from shards.labels.cells import SPLIT_WORDS, Cells, is_number, words_of

_MISSING = {"na", "n/a", "nan", "null", "none", "?", "unknown", "missing"}
"""Cells by which programs and people say that there is nothing, lower case."""


def wrong_cell(table: str, where: str, column: str, value: object, cells: Cells) -> DataError:
    """Return the error for a cell that holds what it may not, with the flag that would read it."""
    hint = form_hint(column, str(value)) if column and cells.is_label else ""
    return DataError(f"{table}, {where}: {column or 'the split'} is {str(value)[:60]!r}, expected {cells.expected}{hint}")


def form_hint(column: str, cell: str) -> str:
    """Return which flag would read a cell that is no label, quotes included."""
    return f"{_reading_hint(column, cell.strip())}; to leave it out: --drop-columns {_quoted(column)}"


def _reading_hint(column: str, cell: str) -> str:
    lower = cell.lower()
    names_split = column.lower() in ("split", "partition", "subset", "fold") and cell in ("0", "1", "2")
    hints = {
        f"if it names the image: --key-column {_quoted(column)}": lower.endswith(IMAGE_SUFFIXES),
        f"if it holds the split: --partition {_quoted(f'column={column}')}": lower in SPLIT_WORDS or names_split,
        f"if it means that there is no label: --values {_quoted(f'{cell}=unlabelled')}": lower in _MISSING,
        "write numbers with a point instead of a comma": bool(re.fullmatch(r"-?\d+,\d+", cell)),
        f"to make attributes of its words: --columns {_quoted(f'{column}~{words_of(cell)[0]}')}": "|" in cell,
        f"to make an attribute of it: --columns {_quoted(f'{column}>={cell}')}, or say what the cell is: --values {cell}=unlabelled": (
            is_number(cell)
        ),
        f"to make attributes of it: --columns {_quoted(f'{column}={cell[:40]}')} or {_quoted(f'{column}=*')}": bool(cell),
    }
    return next((f"; {hint}" for hint, fits in hints.items() if fits), "")


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w.-]+", text) else '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'
