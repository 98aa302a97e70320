"""`quarantine.csv`: what was not packed, and why."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shards.characters import visible
from shards.packing.job import BadImage
from shards.storage.folder import Folder

QUARANTINE = "quarantine.csv"

NO_IMAGE = "no such image; the attribute file names it"
"""The reason of a row without an image."""
NO_ROW = "the attribute file does not name it"
"""The reason of an image without a row."""


def quarantine_csv(images: Sequence[BadImage]) -> bytes:
    """Return the file's content: a header and one row per image of key, file and reason.

    A cell that a spreadsheet would take for a formula is a path from the current folder instead: `./=1+2.jpg`. What is not printable (an
    escape that a terminal would obey) is made visible.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("key", "file", "reason"))
    writer.writerows((harmless(image.key), harmless(image.file), image.reason) for image in images)
    return text.getvalue().encode("utf-8")


def quarantined_files(out: Folder) -> NDArray[np.bytes_]:
    """Return the image files that a folder's file names."""
    rows = csv.DictReader(io.StringIO(next(out.read_many([QUARANTINE])).decode("utf-8", "replace")))
    files = [(row.get("file") or "").removeprefix("./").encode() for row in rows]
    return np.array(files, np.bytes_ if files else "S1")


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula and no terminal for an order."""
    shown = visible(cell)
    return f"./{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
