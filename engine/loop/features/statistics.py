"""The statistics that bring a frozen trunk's features to a common scale."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from numpy.typing import NDArray

from engine.config import Config
from engine.data import Data
from engine.loop.features.images import Images
from engine.loop.features.key import pass_size
from engine.loop.features.table import FeatureTable
from engine.model.multitask import MultitaskModel
from engine.model.standardise import NUM_SAMPLES, Standardise
from engine.model.trunk import StagedTrunk
from engine.pipeline.loading_plan import Place
from shards.errors import DataError

Rows = Mapping[str, NDArray[np.float64]]
"""Tap -> [n, width] features of some samples."""


def measure_features(config: Config, accelerator: Accelerator, data: Data, module: MultitaskModel, table: FeatureTable | None) -> None:
    """Let a model take the statistics of the training split. A collective call: the first rank measures, for all.

    They depend on the training samples alone, not on the number of ranks or on how images are varied.

    Args:
        config: The resolved configuration.
        accelerator: Ranks, device, precision.
        data: The data set and the used samples.
        module: The model; its trunk is frozen.
        table: The features if they are stored; without, the trunk runs once more over the samples.

    Raises:
        DataError: A sample is damaged, and none may be skipped; or none is sound.
    """
    if accelerator.is_main_process:
        ids = np.asarray(data.ids["train"], np.int64)
        ids = ids[np.linspace(0, len(ids) - 1, min(NUM_SAMPLES, len(ids)), dtype=np.int64)]
        rows = _computed(config, accelerator, data, module.trunk, ids) if table is None else _stored(table, ids)
        for tap, scale in module.readout.scales.items():
            if not len(rows[tap]):
                raise DataError(f"{data.dataset.folder}: all {len(ids)} training samples that were tried are damaged; get a whole copy")
            if not np.isfinite(rows[tap]).all():
                raise DataError(
                    f"model.tap {tap}: the frozen trunk gives values that are not finite; use train.precision bf16, or check model.weights"
                )
            cast("Standardise", scale).measure(rows[tap])
    if accelerator.num_processes > 1:
        with torch.no_grad():
            for statistic in module.readout.scales.parameters():
                statistic.copy_(broadcast(statistic.detach().to(accelerator.device)))


def _stored(table: FeatureTable, ids: NDArray[np.int64]) -> Rows:
    ids = ids[[sample not in table.bad for sample in ids.tolist()]]
    places = torch.from_numpy(table.rows_of(ids)).to(next(iter(table.values.values())).device)
    return {tap: value.double().cpu().numpy() for tap, value in table.take(places, None).items()}


@torch.no_grad()
def _computed(config: Config, accelerator: Accelerator, data: Data, trunk: StagedTrunk, ids: NDArray[np.int64]) -> Rows:
    images = Images(config, data, Place(rank=0, world_size=1, device=accelerator.device))
    trunk.to(accelerator.device).eval()
    parts = dict[str, list[NDArray[np.float64]]]()
    with images.loader(ids, pass_size(config, data.dataset)) as loader:
        for _ in range(loader.order.steps_per_epoch):
            batch = next(loader)
            reasons = loader.bad_samples.reasons
            sound = [place for place, sample in enumerate(batch.ids[: batch.num_valid].tolist()) if sample not in reasons]
            with accelerator.autocast():
                seen = trunk(batch.images)
            for tap, value in seen.items():
                parts.setdefault(tap, []).append(value[sound].double().cpu().numpy())
        # As training would: with `on_bad_sample raise` the first one ends the run.
        images.judge(loader.bad_samples.reasons)
    return {tap: np.concatenate(its) for tap, its in parts.items()}
