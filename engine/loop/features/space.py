"""The space that features will take, known before any is computed."""

import numpy as np

from engine.config import Config
from engine.data import Data
from engine.loop.features.key import feature_dtype
from engine.loop.features.store import BLOCK
from engine.model.trunk import StagedTrunk
from engine.model.weights import empty_vgg


def feature_bytes(config: Config, data: Data) -> int:
    """Return what the features of a run take on the disk; blocks that it needs in part are computed whole.

    Args:
        config: Trunk, taps, type.
        data: The used samples.
    """
    model = config.model
    taps = {model.task_taps.get(task, model.tap) for task in data.tasks.names}
    # Without memory: only the shapes matter. Of a file with another number of classes, torchvision's number is taken.
    trunk = StagedTrunk(empty_vgg(model, None), taps=taps, train_from=model.train_from, grid=model.tap_grid)
    per_sample = sum(trunk.width(tap) for tap in trunk.taps) * feature_dtype(config).itemsize * (1 + config.features.mirrored)
    blocks = np.unique(np.concatenate([np.asarray(ids, np.int64) for ids in data.ids.values()]) // BLOCK)
    return per_sample * int(np.minimum(BLOCK, len(data.dataset) - blocks * BLOCK).sum())
