"""From a configuration to the features it trains from: found, or computed first."""

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from engine.config import Config
from engine.data import Data
from engine.loop.features.compute import FeaturePass, TapStore
from engine.loop.features.fill import Progress, fill, is_wanting, share
from engine.loop.features.images import Images
from engine.loop.features.key import feature_dtype, feature_key, key_digest, pass_size
from engine.loop.features.store import FeatureStore
from engine.loop.features.table import FeatureTable, resident
from engine.model.trunk import StagedTrunk
from engine.pipeline.loading_plan import Place
from shards.errors import ConfigurationError


def feature_stores(config: Config, data: Data, trunk: StagedTrunk, device: torch.device) -> list[TapStore]:
    """Return the place on the disk for the features of each tap; folders are made.

    Raises:
        ConfigurationError: The trunk is not frozen, or leaves something to chance; a folder cannot be made.
        DataError: A folder is damaged.
    """
    folder, found = config.features.dir, list[TapStore]()
    if folder is None:
        raise ValueError("features.dir is not set")
    check_cachable(trunk)
    for tap in trunk.taps:
        for mirrored in (False, True) if config.features.mirrored else (False,):
            key = feature_key(config, data.dataset, trunk, tap, device, mirrored=mirrored)
            store = FeatureStore(
                folder / key_digest(key), key, num_samples=len(data.dataset), width=trunk.width(tap), dtype=feature_dtype(config)
            )
            found.append(TapStore(tap=tap, mirrored=mirrored, store=store))
    return found


def check_cachable(trunk: StagedTrunk) -> None:
    """Raise a ConfigurationError if a trunk would not give the same features again."""
    trunk.train()
    lively = [
        name for name, module in trunk.named_modules() if module.training and isinstance(module, torch.nn.Dropout | torch.nn.BatchNorm2d)
    ]
    if lively:
        raise ConfigurationError(
            f"features.dir: {lively[0]} of the trunk depends on chance or on the batch; features computed once would be wrong"
        )
    if not trunk.is_frozen():
        raise ConfigurationError(
            "features.dir: a part of the trunk is trained, so features computed once would be wrong; leave features.dir out"
        )


def open_features(
    config: Config, accelerator: Accelerator, data: Data, trunk: StagedTrunk, stores: list[TapStore], progress: Progress
) -> FeatureTable:
    """Return the features of all samples that the run uses; those that are not there yet are computed first. A collective call.

    Args:
        config: With `features.dir`.
        accelerator: Ranks, device, precision.
        data: The data set and the used samples.
        trunk: With its weights; it is moved to the device if it has to run.
        stores: What `feature_stores` returned.
        progress: Called now and then while features are computed.

    Raises:
        ConfigurationError: A folder cannot be written.
        DataError: Features are damaged or cannot be written; an image is damaged.
        Interrupted: A signal came while features were computed.
    """
    blocks = stores[0].store.blocks_of(data.ids.values())
    # Another run may finish them just now, and one rank sees it before the other.
    wanting = torch.tensor(float(is_wanting(stores, blocks, data.dataset)), device=accelerator.device)
    if accelerator.reduce(wanting).item():
        # Each rank loads its own blocks and needs nobody else for it.
        images = Images(config, data, Place(rank=0, world_size=1, device=accelerator.device))
        compute = FeaturePass(trunk, stores, images, accelerator, size=pass_size(config, data.dataset))
        fill(stores, blocks, data.dataset, accelerator, compute, progress)
    for entry in stores:
        entry.store.check(share(blocks, accelerator))
    return _table(stores, data, blocks, accelerator.device)


def _table(stores: list[TapStore], data: Data, blocks: NDArray[np.int64], device: torch.device) -> FeatureTable:
    ids = np.unique(np.concatenate([np.asarray(some, np.int64) for some in data.ids.values()]))
    values, on_device = resident({f"{entry.tap} {entry.mirrored}": entry.store.values() for entry in stores}, ids, device)
    return FeatureTable(
        values={entry.tap: values[f"{entry.tap} {entry.mirrored}"] for entry in stores if not entry.mirrored},
        mirrored={entry.tap: values[f"{entry.tap} {entry.mirrored}"] for entry in stores if entry.mirrored},
        ids=ids if on_device else None,
        device=device,
        bad={sample: bad.reason for entry in stores for sample, bad in entry.store.bad(blocks).items()},
    )
