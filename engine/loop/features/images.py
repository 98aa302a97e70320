"""The images of a data set, for the pass that computes features."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data import Data
from engine.loop.features.store import BLOCK, BadSample
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import Place
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError


class Images:
    """Gives images in the order in which they lie in the data set, and judges those that are damaged as training would.

    A block holds samples, too, that the run does not use (`data.limit`, `data.keys`). So the loader skips whatever is damaged, and this
    class counts, split by split, what training will meet.
    """

    def __init__(self, config: Config, data: Data, place: Place) -> None:
        """Begin with no damaged image.

        Args:
            config: Pipeline and memory format.
            data: The data set and the used samples.
            place: Device of the images. Each process loads for itself: rank 0 of 1.
        """
        self._config = config
        self._data = data
        self._place = place
        self._pipeline = dataclasses.replace(config.pipeline, on_bad_sample="skip", max_bad_samples=len(data.dataset))
        budget = config.pipeline.bad_sample_budget()
        self._splits = [(ids, BadSamples(data.dataset, budget=budget)) for ids in data.ids.values()]

    def key(self, sample: int) -> str:
        """Return a sample's key."""
        return self._data.dataset.key(sample)

    def loader(self, ids: NDArray[np.int64], batch_size: int) -> Loader:
        """Return a loader of the images of samples, in their order, unvaried; it leaves out nothing."""
        order, columns = Order(ids=ids, batch_size=batch_size), self._data.tasks.columns
        channels_last = self._config.model.channels_last
        try:
            plan = build_plan(self._data.dataset, order, columns, self._pipeline, self._place, channels_last=channels_last)
        except ConfigurationError as error:
            # An image that the run leaves out, maybe.
            raise ConfigurationError(f"{error} (features are computed of all images of a block of {BLOCK}, used or not)") from error
        return build_loader(plan)

    def judge(self, reasons: Mapping[int, str]) -> dict[int, BadSample]:
        """Return what is kept of damaged samples.

        Args:
            reasons: Sample id -> what is wrong with it.

        Raises:
            DataError: The run ends with them: `pipeline.on_bad_sample raise`, or there are too many. The message names shard and key.
        """
        for sample, reason in reasons.items():
            for ids, bad_samples in self._splits:
                if sample in ids:
                    bad_samples.add(sample, reason)
        return {sample: BadSample(reason, shard_state(self._data.dataset, sample)) for sample, reason in reasons.items()}


def shard_state(dataset: ShardDataset, sample: int) -> str:
    """Return what changes when a sample's shard is replaced."""
    try:
        found = dataset.shard_path(int(dataset.index[sample]["shard"])).stat()
    except OSError as error:
        return str(error.strerror)
    return f"{found.st_size} bytes of {found.st_mtime_ns}"
