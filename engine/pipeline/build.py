"""A loader as configured."""

import numpy as np
from numpy.typing import NDArray

from engine.config import DEFAULT_HW_DECODER_LOAD, SMALLEST_SIDE, AugmentConfig, PipelineConfig
from engine.pipeline.dali_stream import DaliStream
from engine.pipeline.loader import Loader, OpenStream
from engine.pipeline.loading_plan import LoadingPlan, Place
from engine.pipeline.order import Order
from engine.pipeline.synthetic_stream import SyntheticStream
from engine.pipeline.torch_stream import TorchStream
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError

_BACKENDS: dict[str, OpenStream] = {"dali": DaliStream, "torch": TorchStream, "synthetic": SyntheticStream}
_CHUNK = 1 << 20
_UNVARIED = AugmentConfig()


def build_plan(
    dataset: ShardDataset,
    order: Order,
    columns: NDArray[np.int64],
    config: PipelineConfig,
    place: Place,
    *,
    augment: AugmentConfig = _UNVARIED,
    channels_last: bool = False,
) -> LoadingPlan:
    """Return what a loader loads.

    Args:
        dataset: The data set.
        order: The global batches.
        columns: [T] label columns of the tasks.
        config: Pipeline settings.
        place: Rank and device.
        augment: How images are varied; by default not at all.
        channels_last: Memory format of the images.

    Raises:
        ConfigurationError: `pipeline.image_size none` with images of different sizes, or too small ones; a setting for a GPU without one.
    """
    _check_device(config, place)
    if config.size() is None:
        _check_sizes(dataset, order)
    return LoadingPlan(
        dataset=dataset, order=order, columns=columns, config=config, place=place, augment=augment, channels_last=channels_last
    )


def build_loader(plan: LoadingPlan) -> Loader:
    """Return a loader of images that begins before the first batch of epoch 0; `seek` or `load_state_dict` move it."""
    return Loader(plan, _BACKENDS[plan.config.backend])


def _check_device(config: PipelineConfig, place: Place) -> None:
    if place.device.type == "cuda":
        return
    if config.decoder == "gpu":
        raise ConfigurationError(f"pipeline.decoder gpu has no effect: the run is on {place.device}; use auto or cpu")
    if config.hw_decoder_load != DEFAULT_HW_DECODER_LOAD:
        raise ConfigurationError(f"pipeline.hw_decoder_load has no effect: the run is on {place.device}; leave it out")


def _check_sizes(dataset: ShardDataset, order: Order) -> None:
    first = dataset.index[order.ids[0]]
    height, width = int(first["height"]), int(first["width"])
    if min(height, width) < SMALLEST_SIDE:
        raise ConfigurationError(f"pipeline.image_size none: images of {width} x {height} pixels are too small; VGG halves them five times")
    for start in range(0, len(order.ids), _CHUNK):
        ids = np.asarray(order.ids[start : start + _CHUNK])
        rows = dataset.index[ids]
        other = np.flatnonzero((rows["height"] != height) | (rows["width"] != width))
        if len(other):
            row, key = rows[other[0]], dataset.key(int(ids[other[0]]))
            raise ConfigurationError(
                f"pipeline.image_size none needs images of one size, but {dataset.key(int(order.ids[0]))!r} has {width} x {height} pixels "
                f"and {key!r} has {row['width']} x {row['height']}; give a size"
            )
