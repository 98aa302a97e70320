"""What a model answered to every sample of the test split: `predictions.npz` in the run folder, for comparing runs sample by sample."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.errors import DataError
from shards.files import atomic_write

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """The answers to a split. The file holds an array under each of these names."""

    logits: NDArray[np.float32]
    """[n, T] one row per sample of the split, in the order of their ids."""
    labels: NDArray[np.int8]
    """[n, T] 1, 0, or -1 where there is no label (or the sample is damaged and was skipped)."""
    thresholds: NDArray[np.float32]
    """[T] probability, the sigmoid of the logit in float64, above which the answer is "present"."""
    tasks: tuple[str, ...]
    """Task names."""
    ids: NDArray[np.int64]
    """[n] sample ids in the data set."""


_KINDS = {"logits": "<f4", "labels": "|i1", "thresholds": "<f4", "tasks": "<U", "ids": "<i8"}
"""Name -> how numpy's name of its type begins."""
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, OverflowError, RecursionError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, tokenize.TokenError),
)
"""What NumPy, Python's parser, which it calls, and the archive's reader say to damage."""


def write_predictions(run_dir: Path, predictions: Predictions) -> None:
    """Write the file so that its name never holds half of it.

    Raises:
        DataError: It cannot be written.
    """
    with atomic_write(run_dir / PREDICTIONS, remedy="make room and resume the run") as file:
        np.savez(file, **_arrays(predictions))


def read_predictions(run_dir: Path) -> Predictions:
    """Read the file of a run folder; nothing in it can run code.

    Raises:
        DataError: It is missing or damaged, or its arrays do not fit together.
    """
    path = run_dir / PREDICTIONS
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _KINDS}
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; the run has not been evaluated on test yet") from error
    except _DAMAGE as error:
        raise DataError(f"{path}: is damaged ({error}); remove it and resume the run, which writes it anew") from error
    _check(path, arrays)
    return Predictions(**(arrays | {"tasks": tuple(arrays["tasks"].tolist())}))


def _arrays(predictions: Predictions) -> dict[str, Any]:
    return {name: np.asarray(getattr(predictions, name)) for name in _KINDS}


def _check(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        # A file in the archive that is no array comes as its bytes.
        if not isinstance(array, np.ndarray):
            raise DataError(f"{path}: {name} is no array; remove it and resume the run, which writes it anew")
    num_samples, num_tasks = arrays["ids"].size, arrays["tasks"].size
    tables = (num_samples, num_tasks)
    shapes = {"logits": tables, "labels": tables, "thresholds": (num_tasks,), "tasks": (num_tasks,), "ids": (num_samples,)}
    for name, array in arrays.items():
        if array.shape != shapes[name] or not array.dtype.str.startswith(_KINDS[name]):
            raise DataError(
                f"{path}: {name} is {array.dtype} {array.shape}, which does not fit; remove it and resume the run, which writes it anew"
            )
