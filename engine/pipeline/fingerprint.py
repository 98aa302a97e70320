"""What decides a loader's batches, in words: a position is worth nothing for a loader with another fingerprint."""

import hashlib

import numpy as np

from engine.pipeline.loading_plan import LoadingPlan
from engine.pipeline.order import Ids
from shards.dataset import ShardDataset
from shards.errors import CheckpointError
from shards.manifest import ARRAYS


def fingerprint(plan: LoadingPlan) -> dict[str, str]:
    """Return name -> value in words of everything that decides the batches; the number of ranks does not."""
    order, config, augment = plan.order, plan.config, plan.augment
    settings: dict[str, object] = {
        "data set": data_set_in_words(plan.dataset),
        "samples": samples_in_words(plan.order.ids),
        "tasks": " ".join(plan.dataset.manifest.attributes[column] for column in plan.columns.tolist()),
        "run.seed": order.seed,
        "train.batch_size": order.batch_size,
        "pipeline.drop_last": order.drop_last,
        "pipeline.shuffle": order.shuffle,
        "pipeline.window_shards": order.window_shards,
        "pipeline.backend": config.backend,
        "pipeline.image_size": config.size() or "none",
        "pipeline.dtype": config.dtype,
        # Their decoders, and on a GPU the rest of the pipeline, differ by rounding.
        "device": plan.place.device.type,
        "pipeline.decoder": "gpu" if plan.decodes_on_gpu() else "cpu",
        "pipeline.hw_decoder_load": config.hw_decoder_load if plan.decodes_on_gpu() else None,
        **{f"augment.{name}": getattr(augment, name) for name in augment.__slots__},
    }
    return {name: str(value) for name, value in settings.items()}


def check_fingerprint(current: dict[str, str], saved: dict[str, str], problem: str, remedy: str) -> None:
    """Compare two fingerprints.

    Args:
        current: Name -> value in words.
        saved: The same, from a checkpoint.
        problem: What differs, and what that means.
        remedy: What to do then.

    Raises:
        CheckpointError: They differ; the message names each difference.
    """
    names = sorted(current.keys() | saved.keys())
    differences = [
        f"{name} was {saved.get(name, 'absent')}, is {current.get(name, 'absent')}"
        for name in names
        if saved.get(name) != current.get(name)
    ]
    if differences:
        raise CheckpointError(f"{problem}: {'; '.join(differences)}; {remedy}")


def data_set_in_words(dataset: ShardDataset) -> str:
    """Return what tells a data set from others: hashes of its arrays, which hold a checksum of each image."""
    return ", ".join(f"{name} {dataset.manifest.files[name].sha256[:16]}" for name in sorted(ARRAYS))


def samples_in_words(ids: Ids) -> str:
    """Return which samples are meant."""
    if isinstance(ids, range):
        return f"{ids.start} to {ids.stop - 1}"
    return f"{len(ids)} of them, {hashlib.sha256(np.ascontiguousarray(ids).data).hexdigest()[:16]}"
