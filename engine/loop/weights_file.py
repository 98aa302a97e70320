"""`model.safetensors`: what a run has trained."""

import os
from pathlib import Path

from safetensors.torch import save

from engine.loop.state import changing_tensors
from engine.model.multitask import MultitaskModel
from shards.errors import DataError

WEIGHTS = "model.safetensors"
TEMPORARY = f".{WEIGHTS}.tmp"


def write_weights(run_dir: Path, module: MultitaskModel) -> None:
    """Write the trained parameters and all statistics, so that the file's name never holds half of them.

    A frozen trunk is left out: it is where it came from, and a hash of it is in the file's metadata. It would be half a gigabyte for a
    VGG16, in every run of a comparison.

    Raises:
        DataError: The file cannot be written.
    """
    path, temporary = run_dir / WEIGHTS, run_dir / TEMPORARY
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in changing_tensors(module).items()}
    data = save(tensors, metadata={"tasks": " ".join(module.tasks), "frozen weights": module.trunk.frozen_digest()})
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); make room and resume the run") from error
