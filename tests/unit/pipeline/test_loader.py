"""Batches as the model gets them; what holds for every backend."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from engine.pipeline.imagenet import MEAN, STD
from shards.dataset import ShardDataset
from shards.errors import CheckpointError
from tests.loading import COLUMNS, batches, open_loader, same

VARIED = {"mirror": True, "crop": (0.4, 1.0), "brightness": 0.3, "hue": 10.0}


def test_pixels_are_the_images_resized_and_normalised(celeba, shards):
    dataset = ShardDataset(shards)
    (batch,) = batches(1, shards, image_size=96)
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
    with open_loader(shards) as stream:
        for step in range(6):
            batch = next(stream)
            assert batch.ids.tolist() == stream.order.batch(0, step).tolist()
            assert batch.labels.tolist() == dataset.labels[batch.ids.numpy()][:, COLUMNS].tolist()
            assert (batch.num_valid, batch.num_skipped, batch.num_labelled.tolist()) == (8, 0, [8.0] * 3)


@pytest.mark.parametrize("backend", ["dali", "torch", "synthetic"])
def test_the_stream_crosses_epochs_and_pads_the_tail(shards, backend):
    # 13 samples of val: one batch of 8, one of 5.
    loaded = batches(4, shards, "val", backend=backend)
    assert [batch.num_valid for batch in loaded] == [8, 5, 8, 5]
    if backend == "synthetic":
        assert all(batch.images is loaded[0].images and batch.labels is loaded[0].labels for batch in loaded)
        return
    assert same(loaded[0], loaded[2])
    assert same(loaded[1], loaded[3])
    tail = loaded[1]
    assert tail.labels[5:].eq(-1).all()
    assert tail.labels[:5].ge(0).all()
    assert tail.num_labelled.tolist() == [5.0] * 3
    assert sorted(loaded[0].ids.tolist() + tail.ids[:5].tolist()) == list(ShardDataset(shards).split_range("val"))


@pytest.mark.parametrize("start", [(0, 0), (0, 1), (0, 7), (1, 0), (2, 5)])
def test_starting_anywhere_gives_the_same_batches_bit_for_bit(shards, start):
    with open_loader(shards, augment=VARIED) as stream, open_loader(shards, augment=VARIED, start=start) as resumed:
        for _ in range(start[0] * stream.order.steps_per_epoch + start[1]):
            next(stream)
        assert all(same(next(stream), next(resumed)) for _ in range(3))


def test_a_loader_can_be_moved_while_it_runs_and_after_it_was_closed(shards):
    whole = batches(5, shards)
    with open_loader(shards) as stream:
        for step in (3, 0, 2):
            stream.seek(0, step)
            assert all(same(next(stream), whole[step + ahead]) for ahead in range(2))
    assert same(next(stream), whole[4])
    stream.close()
    stream.close()


@pytest.mark.parametrize("backend", ["dali", "torch", "synthetic"])
def test_a_state_of_plain_json_goes_on_where_it_was(shards, backend):
    with open_loader(shards, backend=backend) as stream:
        for _ in range(3):
            next(stream)
        state = json.loads(json.dumps(stream.state_dict()))
        expected = next(stream)
    assert (state["epoch"], state["step"]) == (0, 3)
    with open_loader(shards, backend=backend) as resumed:
        resumed.load_state_dict(state)
        batch = next(resumed)
        assert backend == "synthetic" or same(batch, expected)
        assert resumed.state_dict() == state | {"step": 4}


def test_a_state_of_other_batches_is_refused_with_every_difference(shards):
    with open_loader(shards, order={"seed": 4, "batch_size": 4}, augment={"mirror": True}, image_size=32) as other:
        state = other.state_dict()
    loader = open_loader(shards)
    with pytest.raises(CheckpointError, match=r"loader's state belongs to other batches: ") as caught:
        loader.load_state_dict(state)
    for difference in (
        "run.seed was 4, is 3",
        "train.batch_size was 4, is 8",
        "augment.mirror was True, is False",
        "image_size was (32, 32), is (64, 64)",
    ):
        assert difference in str(caught.value)
    good = loader.state_dict()
    for change in ({"epoch": -1}, {"step": 8}, {"epoch": 1.5}, {"step": "1"}, {"step": True}, {"fingerprint": None}, {"fingerprint": [1]}):
        with pytest.raises(CheckpointError, match="the loader's state is damaged"):
            loader.load_state_dict(good | change)
    with pytest.raises(ValueError, match="epoch 0, step 8: expected 0 or more, and 0 to 7"):
        loader.seek(0, 8)


def test_what_is_the_same_in_other_words_is_accepted_and_what_is_not_is_not(shards):
    state = open_loader(shards, image_size=64).state_dict()
    open_loader(shards, image_size=(64, 64), decoder="cpu").load_state_dict(state)
    windows = open_loader(shards, order={"shuffle": "window", "window_shards": 2}).state_dict()
    with pytest.raises(CheckpointError, match=r"pipeline.window_shards was 2, is 3"):
        open_loader(shards, order={"shuffle": "window", "window_shards": 3}).load_state_dict(windows)
    with pytest.raises(CheckpointError, match=r"tasks was Young Black_Hair Male, is Young Black_Hair$|tasks was"):
        open_loader(shards, columns=COLUMNS[:2]).load_state_dict(state)


class StopError(Exception):
    """Comes at the wrong moment, as Ctrl-C does."""


@pytest.mark.parametrize("where", ["engine.pipeline.finisher.Finisher.__call__", "engine.pipeline.read_ahead.ReadAhead.take"])
def test_after_an_interruption_the_same_batch_comes_and_is_whole(shards, monkeypatch, where):
    whole = batches(5, shards)
    with open_loader(shards) as stream:
        assert same(next(stream), whole[0])
        with monkeypatch.context() as patch:
            patch.setattr(where, lambda *_: (_ for _ in ()).throw(StopError()))
            with pytest.raises(StopError):
                for _ in range(5):
                    next(stream)
        epoch_step = stream.state_dict()["step"]
        assert all(same(next(stream), batch) for batch in whole[epoch_step:])


def test_settings_that_do_not_change_the_batches_may_change_on_the_way(shards):
    with open_loader(shards, threads=1, prefetch=1) as stream:
        expected = [next(stream) for _ in range(4)]
        stream.seek(0, 1)
        state = stream.state_dict()
    options = {"threads": 3, "prefetch": 4, "check_crc": False, "on_bad_sample": "skip"}
    with open_loader(shards, **options) as resumed:
        resumed.load_state_dict(state)
        assert all(same(next(resumed), batch) for batch in expected[1:])


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_together_make_the_same_global_batch(shards, world_size):
    whole = batches(8, shards, augment=VARIED)
    parts = [batches(8, shards, augment=VARIED, rank=rank, world_size=world_size) for rank in range(world_size)]
    for step, expected in enumerate(whole):
        ranks = [loaded[step] for loaded in parts]
        assert torch.equal(torch.cat([batch.images for batch in ranks]), expected.images)
        assert torch.equal(torch.cat([batch.labels for batch in ranks]), expected.labels)
        assert sum(batch.num_valid for batch in ranks) == expected.num_valid
        assert all(torch.equal(batch.num_labelled, expected.num_labelled) for batch in ranks)


@pytest.mark.parametrize("backend", ["dali", "torch"])
def test_mirror_flips_about_half_of_the_images_and_nothing_else(shards, backend):
    plain, mirrored = (batches(3, shards, backend=backend, augment={"mirror": mirror}) for mirror in (False, True))
    same_images, flipped = 0, 0
    for straight, maybe in zip(plain, mirrored, strict=True):
        for one, other in zip(straight.images, maybe.images, strict=True):
            if torch.equal(one, other):
                same_images += 1
            else:
                # Mirrored after the resize: exactly the mirror image.
                assert torch.equal(one.flip(-1), other)
                flipped += 1
    assert same_images + flipped == 24
    assert 5 <= flipped <= 19


def test_batches_stay_valid_while_later_ones_are_made(shards):
    with open_loader(shards) as stream:
        first = next(stream)
        row, copy = first.images[3], first.images.clone()
        for _ in range(10):
            next(stream)
        assert torch.equal(first.images, copy)
        del first
        for _ in range(10):
            next(stream)
        assert torch.equal(row, copy[3])


@pytest.mark.parametrize("backend", ["dali", "torch", "synthetic"])
@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"image_size": (40, 48)}, (40, 48)),
        ({"image_size": "none"}, (218, 178)),
        ({"image_size": 32, "dtype": "float16", "channels_last": True}, (32, 32)),
        ({"image_size": "none", "channels_last": True}, (218, 178)),
    ],
    ids=["rectangle", "as-they-are", "half-channels-last", "as-they-are-channels-last"],
)
def test_size_type_and_memory_format(shards, backend, options, shape):
    (batch,) = batches(1, shards, backend=backend, **options)
    assert batch.images.shape == (8, 3, *shape)
    assert batch.images.dtype == (torch.float16 if options.get("dtype") else torch.float32)
    last = options.get("channels_last", False)
    assert batch.images.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    if backend != "synthetic":
        (plain,) = batches(1, shards, image_size=options["image_size"])
        assert torch.allclose(batch.images.float(), plain.images, atol=2e-3)
