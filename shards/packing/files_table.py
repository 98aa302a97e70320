"""`files.csv`: which file each key was made from, where the key alone does not tell."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shards.packing.keys import tell_files
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
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    if all(tell_files(source.keys[chunk], source.files[chunk]) for chunk in chunks):
        return False
    with out.create(FILES) as file:
        file.write(b"key,file\n")
        for chunk in chunks:
            text = io.StringIO()
            pairs = zip(source.keys[chunk].tolist(), source.files[chunk].tolist(), strict=True)
            named = ((key.decode("ascii"), harmless(name.decode("utf-8", "backslashreplace"))) for key, name in pairs)
            csv.writer(text, lineterminator="\n").writerows(named)
            file.write(text.getvalue().encode())
    return True
