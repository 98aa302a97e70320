"""The DALI backend: what it does about damage, and what it leaves behind."""

import gc
import io
import os
import shutil
import time

import pytest
import torch
from PIL import Image

from engine.pipeline.imagenet import MEAN, STD
from shards.dataset import ShardDataset
from shards.errors import DataError
from tests.conftest import pack, write_celeba
from tests.loading import batches, open_loader, same
from tests.unit.pipeline.test_source import damage


@pytest.fixture
def copy(shards, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(shards, tmp_path / "copy")


def write_gif(dataset: ShardDataset, sample_id: int) -> None:
    """Put something into an image's place that no JPEG decoder takes."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "GIF")
    row = dataset.index[sample_id]
    with dataset.shard_path(row["shard"]).open("r+b") as file:
        file.seek(int(row["offset"]))
        file.write(buffer.getvalue())


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("end", ["close", "drop", "error"])
def test_no_thread_and_no_file_outlives_the_loader(shards, end):
    batches(1, shards)  # whatever stays for the life of the process is there now
    before, files = threads(), len(os.listdir("/proc/self/fd"))
    stream = open_loader(shards, threads=3)
    next(stream)
    assert threads() >= before + 3
    if end == "close":
        stream.close()
    elif end == "error":
        with pytest.raises(KeyError), stream:
            raise KeyError
    del stream
    gc.collect()
    # One that was dropped lives until its thread has read what it is reading, and is then the garbage collector's; a thread pool that goes
    # tells its threads to end and does not wait for them.
    deadline = time.monotonic() + 20
    while threads() > before and end == "drop" and time.monotonic() < deadline:
        time.sleep(0.01)
        gc.collect()
    assert threads() <= before
    assert len(os.listdir("/proc/self/fd")) <= files


def test_damage_met_on_the_way_is_named(copy):
    dataset = ShardDataset(copy)
    damage(dataset, 30)
    with pytest.raises(DataError, match=f"image '{dataset.key(30)}' is damaged"):
        batches(7, copy)


def test_what_dali_cannot_decode_is_told_with_shard_and_key(copy, capfd):
    dataset = ShardDataset(copy)
    write_gif(dataset, 11)
    with pytest.raises(DataError, match=rf"\.tar: image '{dataset.key(11)}' cannot be decoded: is neither JPEG nor PNG"):
        batches(7, copy, check_crc=False)
    capfd.readouterr()


@pytest.mark.parametrize("check_crc", [True, False], ids=["checksum", "decoder"])
def test_skipped_samples_leave_a_black_image_without_labels_and_all_else_as_it_was(shards, copy, check_crc, capfd):
    dataset = ShardDataset(copy)
    whole = batches(14, shards, augment={"mirror": True})
    # Two in one batch, one in another.
    bad = {*whole[2].ids[[0, 5]].tolist(), int(whole[4].ids[7])}
    for sample_id in bad:
        write_gif(dataset, sample_id)
    black = ((torch.zeros(3) - torch.tensor(MEAN)) / torch.tensor(STD)).view(3, 1, 1)
    with open_loader(copy, on_bad_sample="skip", check_crc=check_crc, augment={"mirror": True}) as stream:
        for expected in whole:
            batch = next(stream)
            is_bad = torch.tensor([sample_id in bad for sample_id in batch.ids.tolist()])
            assert batch.num_skipped == int(is_bad.sum())
            assert torch.equal(batch.images[~is_bad], expected.images[~is_bad])
            assert torch.equal(batch.labels[~is_bad], expected.labels[~is_bad])
            assert batch.labels[is_bad].eq(-1).all()
            assert torch.allclose(batch.images[is_bad], black.expand_as(batch.images[is_bad]), atol=1e-5)
            assert torch.equal(batch.num_labelled, expected.num_labelled)
        assert set(stream.bad_samples.reasons) == bad
    with pytest.raises(DataError, match=r"one more than pipeline.max_bad_samples 2 allows"):
        batches(14, copy, on_bad_sample="skip", check_crc=check_crc, max_bad_samples=2)
    capfd.readouterr()


@pytest.mark.parametrize("prefetch", [1, 4])
def test_one_bad_image_after_the_other_is_left_out(shards, copy, prefetch, capfd):
    dataset, whole = ShardDataset(copy), batches(6, shards)
    for number, batch in enumerate(whole):
        write_gif(dataset, int(batch.ids[number]))
    loaded = batches(6, copy, check_crc=False, on_bad_sample="skip", prefetch=prefetch)
    for number, (expected, batch) in enumerate(zip(whole, loaded, strict=True)):
        good = [place for place in range(8) if place != number]
        assert batch.num_skipped == 1
        assert torch.equal(batch.images[good], expected.images[good])
    capfd.readouterr()


def test_images_of_different_sizes_make_batches(tmp_path):
    source = write_celeba(tmp_path / "celeba", num_images=24)
    for number, path in enumerate(sorted((source / "img_align_celeba").iterdir())):
        Image.open(path).resize((100 + 5 * number, 200 - 3 * number)).save(path, quality=95)
    mixed = pack(source, tmp_path / "shards")
    for options in ({}, {"augment": {"mirror": True, "crop": (0.5, 1.0)}}):
        ours, theirs = batches(2, mixed, **options), batches(2, mixed, backend="torch", **options)
        assert all(same(one, other) or torch.allclose(one.images, other.images, atol=1e-5) for one, other in zip(ours, theirs, strict=True))
