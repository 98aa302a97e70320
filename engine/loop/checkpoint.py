"""Checkpoints: folders that are either whole or not there.

A checkpoint is written under a temporary name, every file is flushed to the disk, checksums are written, and only then is the
folder renamed. Tensors are safetensors, everything else is JSON: reading one cannot run code.
"""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from shards.errors import CheckpointError, DataError
from shards.files import atomic_write, fsync_folder

KEEP = 2
"""Checkpoints that stay: the newest and the one before it."""

CHECKPOINTS = "checkpoints"
"""Their folder inside the run's."""
CHECKSUMS = "checksums.json"
STATE = "state.json"
_FILE = re.compile(r"\w+\.(safetensors|json)")
_ASIDE = ".old"
_NAME = re.compile(r"epoch-\d{6}-step-\d{8}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Everything a checkpoint holds."""

    tensors: dict[str, dict[str, Tensor]]
    """File stem -> tensor name -> tensor."""
    state: dict[str, Any]
    """The rest, in plain JSON types."""


def write_checkpoint(folder: Path, epoch: int, step: int, snapshot: Snapshot) -> None:
    """Write a checkpoint, read it again to verify it, and then remove those that are older than the newest two.

    Args:
        folder: Folder of all checkpoints of the run; made if it is missing.
        epoch: Epoch of the next step to be done, from 0.
        step: That step inside its epoch; with `epoch` it names the checkpoint.
        snapshot: What to write.

    Raises:
        CheckpointError: The disk refuses; the checkpoints that were there are untouched.
    """
    final = folder / f"epoch-{epoch:06d}-step-{step:08d}"
    temporary = folder / f".{final.name}.tmp"
    try:
        _remove(temporary)
        temporary.mkdir(parents=True)
        files = {f"{name}.safetensors": save(_on_cpu(tensors)) for name, tensors in snapshot.tensors.items()}
        files[STATE] = json.dumps(snapshot.state, allow_nan=False, indent=1).encode()
        files[CHECKSUMS] = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}, indent=1).encode()
        for name, data in files.items():
            with atomic_write(temporary / name) as file:
                file.write(data)
        fsync_folder(temporary)
        # The same position again, after a resume. Set aside first, so that no half-removed folder ever has a final name.
        _set_aside(final)
        temporary.rename(final)
        fsync_folder(folder)
        _read_verified(final)
        for old in _checkpoints(folder)[:-KEEP]:
            _set_aside(old)
        for leftover in folder.glob(f".epoch-*{_ASIDE}"):
            _remove(leftover)
    except (OSError, DataError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        why = getattr(cause, "strerror", None) or cause
        raise CheckpointError(f"{final}: cannot be written ({why}); earlier checkpoints are untouched") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint's folder, or None."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def read_checkpoint(path: Path) -> Snapshot:
    """Read a checkpoint and verify every file.

    Raises:
        CheckpointError: A file is missing or damaged; the message names it.
    """
    contents = _read_verified(path)
    state, tensors = _state_of(path, contents), {}
    for name, data in contents.items():
        if name.endswith(".safetensors"):
            try:
                tensors[name.removesuffix(".safetensors")] = load(data)
            except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
                # Not of the library's own kind: a type of numbers that torch lacks, for one.
                raise unusable(path / name, f"is not safetensors ({error})") from error
    return Snapshot(tensors=tensors, state=state)


def read_state(path: Path) -> dict[str, Any]:
    """Return `state` of a checkpoint, without reading its tensors.

    Raises:
        CheckpointError: It is missing or damaged; the message names the file.
    """
    return _state_of(path, _read_verified(path, only=STATE))


def unusable(file: Path, why: str) -> CheckpointError:
    """Return the error for a file of a checkpoint that cannot be used, with the way out."""
    return CheckpointError(f"{file}: {why}; delete {file.parent} to go on from the checkpoint before it")


def _state_of(path: Path, contents: dict[str, bytes]) -> dict[str, Any]:
    if STATE not in contents:
        raise unusable(path / CHECKSUMS, f"does not list {STATE}")
    return _parse_json(path / STATE, contents[STATE])


def _read_verified(path: Path, only: str | None = None) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for name, checksum in _parse_json(path / CHECKSUMS, _read(path / CHECKSUMS)).items():
        if not _FILE.fullmatch(name):
            raise unusable(path / CHECKSUMS, f"lists {name!r}, which is no file of a checkpoint")
        if only in (None, name):
            contents[name] = _read(path / name)
            if hashlib.sha256(contents[name]).hexdigest() != checksum:
                raise unusable(path / name, "is damaged (its checksum differs)")
    return contents


def _set_aside(path: Path) -> None:
    if path.exists():
        aside = path.with_name(f".{path.name}{_ASIDE}")
        _remove(aside)
        path.rename(aside)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _checkpoints(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unusable(path, f"cannot be read ({error.strerror})") from error


def _parse_json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise unusable(path, f"is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise unusable(path, "holds no JSON object")
    return value
