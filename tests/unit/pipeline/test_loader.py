"""Batches as the model gets them."""

import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from engine.config import PipelineConfig
from engine.pipeline.graph import MEAN, STD
from engine.pipeline.loader import Loader, Place
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.unit.pipeline.test_source import flip_a_bit

COLUMNS = np.array([39, 8, 20])
CPU = torch.device("cpu")


def loader(folder, split="train", rank=0, world_size=1, start=(0, 0), **options) -> Loader:
    dataset = ShardDataset(folder)
    order_options = {"batch_size": 8, "seed": 3, "shuffle": split == "train"} | options.pop("order", {})
    order = Order(ids=dataset.split_range(split), **order_options)
    config = PipelineConfig(**({"image_size": 64, "threads": 1} | options))
    return Loader(dataset, order, COLUMNS, config, Place(rank=rank, world_size=world_size, device=CPU), start)


def test_pixels_are_the_images_resized_and_normalised(celeba, shards):
    dataset = ShardDataset(shards)
    with loader(shards, image_size=96) as stream:
        batch = next(stream)
    assert batch.images.shape == (8, 3, 96, 96)
    assert batch.images.dtype == torch.float32
    for sample_id, image in zip(batch.ids.tolist(), batch.images, strict=True):
        path = celeba / "img_align_celeba" / f"{dataset.key(sample_id)}.jpg"
        # An independent way to the same pixels; decoders and filters differ by rounding.
        wanted = np.asarray(Image.open(path).resize((96, 96), Image.Resampling.BILINEAR), np.float32)
        pixels = image.permute(1, 2, 0).numpy() * STD + MEAN
        assert np.abs(pixels - wanted).mean() < 1.5


def test_labels_ids_and_counts(shards):
    dataset = ShardDataset(shards)
    with loader(shards) as stream:
        for step in range(6):
            batch = next(stream)
            assert batch.ids.tolist() == stream.order.batch(0, step).tolist()
            assert batch.labels.tolist() == dataset.labels[batch.ids.numpy()][:, COLUMNS].tolist()
            assert (batch.num_valid, batch.num_labelled.tolist()) == (8, [8.0] * 3)


def test_the_stream_crosses_epochs_and_pads_the_tail(shards):
    # 13 samples of val: one batch of 8, one of 5.
    with loader(shards, "val") as stream:
        batches = [next(stream) for _ in range(4)]
    assert [batch.num_valid for batch in batches] == [8, 5, 8, 5]
    assert torch.equal(batches[0].ids, batches[2].ids)
    assert torch.equal(batches[1].images, batches[3].images)
    tail = batches[1]
    assert tail.labels[5:].eq(-1).all()
    assert tail.labels[:5].ge(0).all()
    assert tail.num_labelled.tolist() == [5.0] * 3
    assert sorted(batches[0].ids.tolist() + tail.ids[:5].tolist()) == list(ShardDataset(shards).split_range("val"))


@pytest.mark.parametrize("start", [(0, 0), (0, 1), (0, 3), (0, 6), (1, 0), (2, 5)])
def test_starting_anywhere_gives_the_same_batches_bit_for_bit(shards, start):
    with loader(shards, mirror=True) as stream, loader(shards, mirror=True, start=start) as resumed:
        for _ in range(start[0] * stream.order.steps_per_epoch + start[1]):
            next(stream)
        for _ in range(3):
            expected, got = next(stream), next(resumed)
            assert torch.equal(expected.images, got.images)
            assert torch.equal(expected.labels, got.labels)
            assert torch.equal(expected.ids, got.ids)


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_together_make_the_same_global_batch(shards, world_size):
    with loader(shards, mirror=True) as stream:
        whole = [next(stream) for _ in range(8)]
    parts = []
    for rank in range(world_size):
        with loader(shards, mirror=True, rank=rank, world_size=world_size) as stream:
            parts.append([next(stream) for _ in range(8)])
    for step, expected in enumerate(whole):
        ranks = [batches[step] for batches in parts]
        assert torch.equal(torch.cat([batch.images for batch in ranks]), expected.images)
        assert torch.equal(torch.cat([batch.labels for batch in ranks]), expected.labels)
        assert sum(batch.num_valid for batch in ranks) == expected.num_valid
        assert all(torch.equal(batch.num_labelled, expected.num_labelled) for batch in ranks)


def test_mirror_flips_about_half_of_the_images_and_nothing_else(shards):
    with loader(shards) as plain, loader(shards, mirror=True) as mirrored:
        pairs = [(next(plain).images, next(mirrored).images) for _ in range(6)]
    same, flipped = 0, 0
    for straight, maybe in pairs:
        for one, other in zip(straight, maybe, strict=True):
            if torch.equal(one, other):
                same += 1
            else:
                # Mirrored after the resize: exactly the mirror image.
                assert torch.equal(one.flip(-1), other)
                flipped += 1
    assert same + flipped == 48
    assert 12 <= flipped <= 36


def test_batches_stay_valid_while_later_ones_are_made(shards):
    with loader(shards) as stream:
        first = next(stream)
        copy = first.images.clone()
        for _ in range(10):
            next(stream)
        assert torch.equal(first.images, copy)


def test_no_thread_outlives_the_loader(shards):
    import os

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    with loader(shards, threads=3) as stream:
        next(stream)
        running = threads()
    assert threads() <= running - 3


def test_damage_met_on_the_way_is_named(shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "copy")
    dataset = ShardDataset(copy)
    flip_a_bit(dataset, 30)
    with pytest.raises(DataError, match=f"image '{dataset.key(30)}' is damaged"), loader(copy) as stream:
        for _ in range(7):
            next(stream)


def test_dalis_failure_is_told_with_shard_and_key(shards, tmp_path, capfd):
    copy = shutil.copytree(shards, tmp_path / "copy")
    dataset = ShardDataset(copy)
    row = dataset.index[11]
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "GIF")
    with dataset.shard_path(row["shard"]).open("r+b") as file:
        file.seek(int(row["offset"]))
        file.write(buffer.getvalue())
    with pytest.raises(DataError, match=rf"\.tar: image '{dataset.key(11)}': is not a JPEG"), loader(copy, check_crc=False) as stream:
        for _ in range(7):
            next(stream)
    capfd.readouterr()
