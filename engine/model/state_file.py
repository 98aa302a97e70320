"""Files of weights: told apart by what is in them and not by their names, and never run."""

import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

_HEAD_BYTES = 512
_MOST_CHARACTERS = 100
_OTHER_FILES = {
    b"version https://git-lfs": "is a pointer of Git LFS and not the file; run git lfs pull where it comes from",
    b"\x89HDF": "is an HDF5 file, as Keras writes it; .pth or .safetensors is needed",
    b"\x1f\x8b": "is gzip-compressed; unpack it first",
    b"\x93NUMPY": "is a NumPy array; .pth or .safetensors is needed",
    b"<": "is a web page or another text, no weights (a failed download?)",
}
_PICKLE = b"\x80"
_ZIP = b"PK\x03\x04"
_SAVE = "save its weights alone: torch.save(model.state_dict(), 'weights.pth')"
_UNSAFE = re.compile(r"GLOBAL ([\w.]+)")
_OF_MODELS = ("torch.nn.", "torchvision.")


def read_state(path: Path) -> object:
    """Return what a file holds: tensors by name, maybe inside of other mappings. Nothing in it is run.

    Raises:
        ValueError: It holds something else, or is damaged. The message goes on after the file's name.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    if not head:
        raise ValueError("is empty")
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**40:
        return _read_safetensors(path, num_bytes=8 + int.from_bytes(head[:8], "little"), size=size)
    if head.startswith(_ZIP):
        _check_archive(path)
    elif not head.startswith(_PICKLE):
        what = next((words for magic, words in _OTHER_FILES.items() if head.lstrip().startswith(magic)), None)
        raise ValueError(what or f"is no file of weights; it begins with {head[:16]!r}, and .pth or .safetensors is needed")
    try:
        with path.open("rb") as file:
            # weights_only: a pickle may hold tensors and nothing that runs.
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # Whatever the bytes of a damaged pickle lead to, the file is the cause.
        raise ValueError(_why_unread(path, error)) from error


def _read_safetensors(path: Path, *, num_bytes: int, size: int) -> object:
    if num_bytes > size:
        raise ValueError("is damaged: a .safetensors file that ends in its header")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"is damaged: a .safetensors file, but {_first_line(error)}") from error


def _check_archive(path: Path) -> None:
    """Refuse archives that are not torch's."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, KeyError, OSError, ValueError) as error:
        raise ValueError("is damaged: the end of a .pth file is missing") from error
    if "constants.pkl" in names:
        raise ValueError(f"is TorchScript, a program and not weights; {_SAVE}")
    if "data.pkl" not in names:
        kind = "NumPy arrays" if any(name.endswith(".npy") for name in names) else "no weights"
        raise ValueError(f"is a ZIP archive of {kind}; .pth or .safetensors is needed")


def _why_unread(path: Path, error: Exception) -> str:
    unsafe = _unsafe_classes(path, error)
    if any(name.startswith(_OF_MODELS) for name in unsafe):
        return f"holds a whole model, not weights; {_SAVE}"
    if unsafe:
        return f"holds Python objects beside the weights ({unsafe[0][:_MOST_CHARACTERS]}), which could run anything; {_SAVE}"
    if isinstance(error, UnpicklingError):
        # torch's own advice is to let the file run whatever it likes.
        return "is damaged: a .pth file that cannot be unpickled"
    return f"is damaged: a .pth file, but {_first_line(error)}"


def _unsafe_classes(path: Path, error: Exception) -> list[str]:
    """Return the names of what a pickle holds besides tensors and plain values."""
    if not isinstance(error, UnpicklingError):
        return []
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # noqa: BLE001 (a damaged file, as above)
        # Files from before torch 1.6 are not looked through; loading stops at the first.
        return _UNSAFE.findall(str(error))[:1]


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:_MOST_CHARACTERS]}" if text else type(error).__name__
