"""What decides a loader's batches, in words: a position is worth nothing for a loader with another fingerprint."""

import dataclasses
import hashlib

import numpy as np

from engine.config import AugmentConfig, PipelineConfig
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from shards.errors import CheckpointError
from shards.manifest import ARRAYS

# Settings that change when and how batches are made, but not what is in them.
FREE = ("threads", "prefetch", "check_crc", "on_bad_sample", "max_bad_samples")


def data_fingerprint(dataset: ShardDataset) -> str:
    """Return what tells a data set from any other."""
    return ", ".join(f"{name} {dataset.manifest.files[name].sha256[:16]}" for name in sorted(ARRAYS))


def fingerprint(dataset: ShardDataset, order: Order, config: PipelineConfig, augment: AugmentConfig) -> dict[str, str]:
    """Return name -> value in words of everything that decides the batches; the number of ranks does not.

    Args:
        dataset: The data set.
        order: The global batches.
        config: Pipeline settings.
        augment: How images are varied.
    """
    told_by_order = ("drop_last", "shuffle")
    pipeline = {f"pipeline.{key}": value for key, value in dataclasses.asdict(config).items() if key not in (*FREE, *told_by_order)}
    settings: dict[str, object] = {
        "data set": data_fingerprint(dataset),
        "samples": _samples(order),
        "train.batch_size": order.batch_size,
        "run.seed": order.seed,
        "pipeline.shuffle": order.shuffle,
        "pipeline.drop_last": order.drop_last,
        **pipeline,
        **{f"augment.{name}": value for name, value in dataclasses.asdict(augment).items()},
    }
    return {name: str(value) for name, value in settings.items()}


def check_fingerprint(current: dict[str, str], saved: dict[str, str], problem: str, remedy: str) -> None:
    """Compare two fingerprints.

    Args:
        current: Name -> value in words.
        saved: The same, from a checkpoint.
        problem: What it means if they differ.
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
        raise CheckpointError(f"the {problem}: {'; '.join(differences)}; {remedy}")


def _samples(order: Order) -> str:
    if isinstance(order.ids, range):
        return f"{order.ids.start} to {order.ids.stop - 1}"
    digest = hashlib.sha256(np.ascontiguousarray(order.ids).tobytes()).hexdigest()
    return f"{len(order.ids)} of them, {digest[:16]}"
