"""The pass through the trunk."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from engine.config import AugmentConfig
from engine.loop.features import images as images_module
from engine.loop.features.compute import FeaturePass
from engine.loop.features.images import Images
from engine.loop.features.key import pass_size
from engine.loop.features.opening import feature_stores
from engine.model.multitask import build_trunk
from engine.pipeline.loader import Loader
from engine.pipeline.loading_plan import Place
from shards.errors import DataError
from tests.unit.loop.features.conftest import TASKS

CPU = torch.device("cpu")
FIRST = np.array([0])


@pytest.fixture
def run(configure, data):
    """Return a function that opens stores and computes; the stores and the sizes of the batches come back."""

    def go(blocks=FIRST, **sections):
        config = configure(**sections)
        trunk = build_trunk(config.model, TASKS, 0)
        stores = feature_stores(config, data, trunk, CPU)
        accelerator = Accelerator(cpu=True, mixed_precision=config.train.precision)
        images = Images(config, data, Place(rank=0, world_size=1, device=CPU))
        FeaturePass(trunk, stores, images, accelerator, size=pass_size(config, data.dataset))(blocks, lambda: None)
        return trunk, stores, images

    return go


@pytest.fixture
def loaded(monkeypatch) -> Iterator[list[int]]:
    """Sizes of the batches that are loaded."""
    sizes, load = [], Loader.__next__

    def count(self):
        batch = load(self)
        sizes.append(batch.num_valid)
        return batch

    monkeypatch.setattr(Loader, "__next__", count)
    return sizes


def expected(trunk, images, tap, *, flip=False) -> torch.Tensor:
    """Features of all images, a few at a time."""
    rows = []
    with torch.no_grad(), images.loader(np.arange(80), 8) as loader:
        for _ in range(10):
            seen = next(loader).images
            rows.append(trunk.eval()(seen.flip(3) if flip else seen)[tap])
    return torch.cat(rows)


def test_features_are_what_the_trunk_sees_of_each_image_and_of_its_mirror_image(run):
    sections = {"augment": AugmentConfig(mirror=True), "features": {"mirrored": True}, "model": {"tap": "pool1", "tap_grid": 2}}
    trunk, stores, images = run(**sections)
    assert [(entry.tap, entry.mirrored) for entry in stores] == [("pool1", False), ("pool1", True)]
    for entry in stores:
        assert torch.allclose(entry.store.values(), expected(trunk, images, "pool1", flip=entry.mirrored), rtol=1e-4, atol=1e-5)
    # They are not the same on both sides.
    assert not torch.allclose(stores[0].store.values(), stores[1].store.values(), rtol=1e-2)


def test_several_taps_take_one_pass(run, loaded):
    trunk, stores, images = run(model={"task_taps": {"Bald": "pool1", "Young": "conv2_1"}})
    assert loaded == [80]
    assert [entry.tap for entry in stores] == ["pool1", "conv2_1", "pool2"]
    for entry in stores:
        assert torch.allclose(entry.store.values(), expected(trunk, images, entry.tap), rtol=1e-4, atol=1e-5)


def test_a_tap_that_is_there_already_is_left_alone(run, loaded):
    _, (pool2,), _ = run()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in pool2.store.folder.iterdir()}
    _, (pool1, _), _ = run(model={"task_taps": {"Bald": "pool1"}})
    assert len(loaded) == 2
    assert pool1.store.missing(FIRST).tolist() == []
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in pool2.store.folder.iterdir()} == before


def test_no_blocks_no_pass(run, loaded):
    _, (entry,), _ = run(blocks=np.empty(0, np.int64))
    assert loaded == []
    assert entry.store.missing(FIRST).tolist() == [0]


@pytest.mark.parametrize(("most", "sizes"), [(100, [64, 16]), (8, [8] * 10), (3, [2] * 40)])
def test_a_forward_pass_takes_no_more_than_the_user_says(run, loaded, most, sizes):
    _, (entry,), _ = run(train={"micro_batch_size": most})
    assert loaded == sizes
    entry.store.check(FIRST)


def test_it_looks_up_before_each_forward_pass_and_what_it_sees_ends_it(configure, data, loaded):
    config = configure(train={"micro_batch_size": 16})
    trunk = build_trunk(config.model, TASKS, 0)
    stores = feature_stores(config, data, trunk, CPU)
    images = Images(config, data, Place(rank=0, world_size=1, device=CPU))

    def look():
        if len(loaded) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeaturePass(trunk, stores, images, Accelerator(cpu=True), size=16)(FIRST, look)
    assert len(loaded) == 3
    assert stores[0].store.missing(FIRST).tolist() == [0]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_not_finite_is_refused_with_the_images_key(configure, data, monkeypatch, dtype):
    config = configure(features={"dtype": dtype})
    trunk = build_trunk(config.model, TASKS, 0)
    stores = feature_stores(config, data, trunk, CPU)
    images = Images(config, data, Place(rank=0, world_size=1, device=CPU))
    forward = type(trunk).forward

    def bright(self, pixels):
        seen = forward(self, pixels)
        seen["pool2"][37, 5] = 1e5 if dtype == "float16" else float("inf")
        return seen

    monkeypatch.setattr(type(trunk), "forward", bright)
    remedy = {"float16": "use features.dtype float32 or bfloat16, and train.precision no or bf16", "float32": "check model.weights"}[dtype]
    message = rf"{stores[0].store.folder}: image '{data.dataset.key(37)}' has features at pool2 that are not finite; {remedy}"
    with pytest.raises(DataError, match=message):
        FeaturePass(trunk, stores, images, Accelerator(cpu=True), size=256)(FIRST, lambda: None)
    assert stores[0].store.missing(FIRST).tolist() == [0]


def test_images_come_unvaried_whatever_training_does_to_them(configure, data, monkeypatch):
    plans = []
    build = images_module.build_plan
    monkeypatch.setattr(images_module, "build_plan", lambda *args, **options: plans.append(build(*args, **options)) or plans[-1])
    config = configure(augment=AugmentConfig(mirror=True), features={"mirrored": True}, pipeline={"drop_last": True})
    Images(config, data, Place(rank=0, world_size=1, device=CPU)).loader(np.arange(5, 50), 16)
    (plan,) = plans
    assert plan.augment == AugmentConfig()
    assert (plan.order.shuffle, plan.order.drop_last, plan.order.epoch(0).tolist()) == ("none", False, list(range(5, 50)))
