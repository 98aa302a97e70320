"""`files.csv`: which file each key was made from, where the key alone does not tell."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shards.packing.keys import tells_file
from shards.packing.quarantine import harmless
from shards.packing.source import Source
from shards.storage.folder import Folder

FILES = "files.csv"
_CHUNK = 4096


def write_files(out: Folder, source: Source, kept: Sequence[NDArray[np.int64]]) -> bool:
    """Write key and file of each sample, in the order of the samples, unless every key is its file's name without the suffix.

    Args:
        out: The data set's folder.
        source: Keys and files.
        kept: Rows of each shard, in its order.

    Returns:
        Whether the table was written.

    Raises:
        DataError: It cannot be written.
    """
    rows = np.concatenate(kept)
    if all(tells_file(*pair) for start in range(0, len(rows), _CHUNK) for pair in _pairs(source, rows[start : start + _CHUNK])):
        return False
    with out.create(FILES) as file:
        file.write(b"key,file\n")
        for start in range(0, len(rows), _CHUNK):
            text = io.StringIO()
            pairs = _pairs(source, rows[start : start + _CHUNK])
            named = ((key.decode("ascii"), harmless(name.decode("utf-8", "backslashreplace"))) for name, key in pairs)
            csv.writer(text, lineterminator="\n").writerows(named)
            file.write(text.getvalue().encode())
    return True


def _pairs(source: Source, rows: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
    return list(zip(source.files[rows].tolist(), source.keys[rows].tolist(), strict=True))
