"""`model.safetensors`: what a run has trained, and all that is needed to use it on other images."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save

from engine.config import Config
from engine.loop.state import changing_tensors
from engine.model.multitask import MultitaskModel
from engine.pipeline.imagenet import MEAN, STD
from shards.files import atomic_write

WEIGHTS = "model.safetensors"
VERSION = 1
"""Of the description in the file's metadata."""


def write_weights(run_dir: Path, module: MultitaskModel, config: Config, thresholds: Sequence[float]) -> None:
    """Write the trained parameters and all statistics, so that the file's name never holds half of them.

    A frozen trunk is left out: it is where it came from, and a hash of it is in the file's metadata. It would be half a gigabyte for a
    VGG16, in every run of a comparison.

    Args:
        run_dir: The run's folder.
        module: The trained model.
        config: The resolved configuration.
        thresholds: [T] probability above which each task is answered "present".

    Raises:
        DataError: The file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in changing_tensors(module).items()}
    data = save(tensors, metadata={"dropstream": json.dumps(describe(module, config, thresholds))})
    with atomic_write(run_dir / WEIGHTS, remedy="make room and resume the run") as file:
        file.write(data)


def describe(module: MultitaskModel, config: Config, thresholds: Sequence[float]) -> dict[str, object]:
    """Return what the weights belong to, in plain JSON types.

    `tasks` in the order of the logits; `thresholds`, the probability per task above which the answer is "present"; `image_size` as height
    and width in pixels, None where images keep theirs; `mean` and `std` per channel of 0 to 255; `model`, the settings that build the
    network; `trunk_seed`, what a drawn trunk is drawn with; `frozen_weights`, a hash of what the file leaves out.
    """
    model = config.model
    return {
        "version": VERSION,
        "tasks": list(module.tasks),
        "thresholds": list(thresholds),
        "image_size": config.pipeline.size(),
        "mean": MEAN,
        "std": STD,
        "precision": config.train.precision,
        "taps": list(module.trunk.taps),
        "model": dataclasses.asdict(model),
        "trunk_seed": None if model.weights != "none" else config.run.seed if model.weights_seed is None else model.weights_seed,
        "frozen_weights": module.trunk.frozen_digest(),
    }
