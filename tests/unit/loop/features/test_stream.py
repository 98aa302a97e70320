"""Batches of features are the batches of images, but for the images."""

import dataclasses
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import AugmentConfig, PipelineConfig
from engine.loop.features.stream import FeatureStream
from engine.loop.features.table import FeatureTable
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.build import build_loader, build_plan
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import LoadingPlan, Place
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.faults.conftest import damage
from tests.loading import COLUMNS, order_of

WIDTH = 4
METADATA = ("labels", "ids", "num_labelled")


@pytest.fixture(scope="module")
def dataset(shards):
    """The small data set; a third of its labels are missing, and all of those of a task in the first twenty samples."""
    dataset = ShardDataset(shards)
    labels = np.array(dataset.labels)
    labels[np.random.default_rng(0).random(labels.shape) < 1 / 3] = -1
    labels[:20, COLUMNS[1]] = -1
    dataset.labels = labels
    return dataset


def plan_of(dataset, split="train", *, rank=0, world_size=1, augment=None, pipeline=None, **order) -> LoadingPlan:
    place = Place(rank=rank, world_size=world_size, device=torch.device("cpu"))
    config = PipelineConfig(**({"image_size": 32, "threads": 1} | (pipeline or {})))
    return build_plan(dataset, order_of(dataset, split, **order), COLUMNS, config, place, augment=AugmentConfig(**(augment or {})))


def table_of(dataset, *, taps=("pool1",), bad=None, mirrored=False, ids=None) -> FeatureTable:
    """Rows that tell sample, tap, and whether they are mirrored."""
    rows = torch.arange(len(dataset)) if ids is None else torch.from_numpy(ids)
    values = {tap: rows[:, None] * 100.0 + 10 * place + torch.zeros(WIDTH) for place, tap in enumerate(taps)}
    flipped = {tap: value + 5 for tap, value in values.items()} if mirrored else {}
    return FeatureTable(values=values, mirrored=flipped, ids=ids, device=torch.device("cpu"), bad=bad or {})


def loader_of(plan, table) -> Loader:
    return Loader(plan, partial(FeatureStream, table))


def assert_same_but_for_the_images(batch, expected) -> None:
    assert all(torch.equal(getattr(batch, name), getattr(expected, name)) for name in METADATA)
    assert [getattr(batch, name).dtype for name in METADATA] == [getattr(expected, name).dtype for name in METADATA]
    assert (batch.num_valid, batch.num_skipped, len(batch)) == (expected.num_valid, expected.num_skipped, len(expected))
    assert batch.has_labels.tolist() == expected.has_labels.tolist()


SHUFFLES = [{"shuffle": "none"}, {"shuffle": "global"}, {"shuffle": "window"}, {"shuffle": "global", "ids": np.arange(3, 50, 2)}]


@settings(max_examples=60)
@given(
    options=st.sampled_from(SHUFFLES),
    world_size=st.sampled_from([1, 2, 4]),
    drop_last=st.booleans(),
    batch_size=st.sampled_from([4, 8, 20, 52]),
    start=st.tuples(st.integers(0, 3), st.integers(0, 13)),
    bad=st.sets(st.integers(0, 51), max_size=6),
)
def test_every_batch_on_every_rank_from_anywhere(dataset, options, world_size, drop_last, batch_size, start, bad):
    if "ids" in options and batch_size > len(options["ids"]):
        drop_last = False
    table = table_of(dataset, bad=dict.fromkeys(bad, "is damaged"))
    pipeline = {"on_bad_sample": "skip", "max_bad_samples": 60}
    skipped = 0
    for rank in range(world_size):
        settings = {"rank": rank, "world_size": world_size, "drop_last": drop_last, "batch_size": batch_size, "pipeline": pipeline}
        plan = plan_of(dataset, **settings, **options)
        epoch, step = start[0], min(start[1], plan.order.steps_per_epoch)
        loader = loader_of(plan, table)
        loader.seek(epoch, step)
        first = epoch * plan.order.steps_per_epoch + step
        for number in range(first, first + 2 * plan.order.steps_per_epoch + 1):
            part, batch = plan.share(number), next(loader)
            places = [place for place in range(part.num_valid) if int(part.ids[place]) in bad]
            assert_same_but_for_the_images(batch, plan.batch(part, torch.empty(len(part.ids), 3, 0, 0), places))
            assert torch.equal(batch.features["pool1"], torch.from_numpy(part.ids)[:, None] * 100.0 + torch.zeros(WIDTH))
            skipped += batch.num_skipped
    assert (skipped > 0) >= (bool(bad & set(np.asarray(plan.order.ids).tolist())) and not drop_last)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_loader_of_images_says_the_same(dataset, tmp_path, shards, rank):
    copy = shutil.copytree(shards, tmp_path / "copy")
    order = order_of(ShardDataset(copy))
    bad = [int(order.batch(0, 0)[1]), int(order.batch(0, 6)[-1]), int(order.batch(1, 3)[7])]
    named = sorted(damage(copy, sample) for sample in bad)
    damaged = ShardDataset(copy)
    damaged.labels = dataset.labels
    plan = plan_of(damaged, rank=rank, world_size=2, pipeline={"on_bad_sample": "skip"}, augment={"mirror": True})
    table = table_of(damaged, bad=dict.fromkeys(bad, "is damaged (its checksum differs from the index)"), mirrored=True)
    with build_loader(plan) as images, loader_of(plan, table) as features:
        # Both ranks meet all of them in three epochs.
        for _ in range(3 * order.steps_per_epoch):
            assert_same_but_for_the_images(next(features), next(images))
        assert sorted(features.bad_samples.named()) == sorted(images.bad_samples.named())
    assert sorted((shard, key) for shard, key, _ in features.bad_samples.named()) == named
    assert features.fingerprint == images.fingerprint


def test_mirrored_features_are_taken_where_the_image_would_be_mirrored(dataset):
    for rank in range(2):
        plan = plan_of(dataset, rank=rank, world_size=2, augment={"mirror": True})
        loader = loader_of(plan, table_of(dataset, mirrored=True))
        drawn = []
        for number in range(2 * plan.order.steps_per_epoch):
            part, batch = plan.share(number), next(loader)
            mirrored = batch.features["pool1"][:, 0] - batch.ids * 100
            assert mirrored.tolist() == (5 * part.variation.mirror).tolist()
            drawn += mirrored.tolist()
        assert {0, 5} == set(drawn)


def test_every_tap_is_taken_and_a_batch_may_be_split(dataset):
    batch = next(loader_of(plan_of(dataset), table_of(dataset, taps=("pool1", "fc6"))))
    assert list(batch.inputs) == ["pool1", "fc6"]
    assert torch.equal(batch.features["fc6"] - batch.features["pool1"], torch.full((8, WIDTH), 10.0))
    parts = list(batch.split(3))
    assert [len(labels) for _, labels in parts] == [3, 3, 2]
    for tap in ("pool1", "fc6"):
        assert torch.equal(torch.cat([inputs[tap] for inputs, _ in parts]), batch.features[tap])
    assert torch.equal(torch.cat([labels for _, labels in parts]), batch.labels)


def test_rows_may_be_those_of_the_used_samples_only(dataset):
    ids = np.arange(1, 60, 3)
    plan = plan_of(dataset, ids=ids[ids < 52], batch_size=4)
    whole, used = loader_of(plan, table_of(dataset)), loader_of(plan, table_of(dataset, ids=ids))
    for _ in range(9):
        one, other = next(whole), next(used)
        assert torch.equal(one.features["pool1"], other.features["pool1"])
        assert torch.equal(one.ids, other.ids)


@pytest.mark.parametrize(("budget", "allowed"), [({}, 0), ({"on_bad_sample": "skip", "max_bad_samples": 2}, 2)])
def test_damaged_samples_end_the_run_as_they_would_with_images(dataset, budget, allowed):
    bad = {5: "is damaged", 9: "is damaged", 30: "cannot be decoded", 70: "is of another split"}
    plan = plan_of(dataset, pipeline=budget)
    name = dataset.key([5, 9, 30][allowed])
    with pytest.raises(DataError, match=f"image '{name}' "):
        next(loader_of(plan, table_of(dataset, bad=bad)))
    enough = dataclasses.replace(plan, config=PipelineConfig(on_bad_sample="skip", max_bad_samples=3))
    loader = loader_of(enough, table_of(dataset, bad=bad))
    next(loader)
    assert list(loader.bad_samples.reasons) == [5, 9, 30]


def test_opened_again_the_same_damaged_samples_count_once(dataset):
    plan = plan_of(dataset, pipeline={"on_bad_sample": "skip", "max_bad_samples": 1})
    loader = loader_of(plan, table_of(dataset, bad={5: "is damaged"}))
    for epoch in range(3):
        loader.seek(epoch, 0)
        next(loader)
    assert isinstance(loader.bad_samples, BadSamples)
    assert list(loader.bad_samples.reasons) == [5]
