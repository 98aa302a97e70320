"""What only a GPU can show. Skipped without CUDA."""

import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from engine.pipeline.imagenet import STD
from shards.dataset import ShardDataset
from tests.conftest import pack
from tests.integration.conftest import records, results, train
from tests.loading import batches, open_loader
from tests.waiting import no_waiting

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def grey_levels(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Absolute difference of two batches, in grey levels of 0 to 255."""
    return ((one.cpu().float() - other.cpu().float()) * torch.tensor(STD).view(3, 1, 1)).abs()


@pytest.mark.parametrize("decoder", ["auto", "cpu"])
@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 224},
        {"image_size": 64},
        {"image_size": "none"},
        {"augment": {"mirror": True, "crop": (0.3, 1.0)}},
        {"augment": {"brightness": 0.3, "hue": 20.0}},
        {"channels_last": True},
    ],
    ids=["larger", "smaller", "as-they-are", "pieces", "colours", "channels-last"],
)
def test_decoding_on_the_gpu_agrees_with_the_cpu(shards, decoder, options):
    reference, loaded = batches(3, shards, **options), batches(3, shards, device="cuda:0", decoder=decoder, **options)
    for expected, got in zip(reference, loaded, strict=True):
        assert got.images.device.type == "cuda"
        assert got.images.stride() == expected.images.stride()
        assert torch.equal(got.ids, expected.ids)
        assert torch.equal(got.labels.cpu(), expected.labels)
        # nvJPEG and libjpeg-turbo differ in rounding and in how they interpolate colour.
        assert grey_levels(got.images, expected.images).mean() < 3


@pytest.mark.parametrize("decoder", ["auto", "cpu"])
def test_pngs_beside_jpegs_are_decoded_without_loss(celeba, tmp_path, decoder):
    source = shutil.copytree(celeba, tmp_path / "celeba")
    for path in sorted((source / "img_align_celeba").iterdir())[::2]:
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    packed = pack(source, tmp_path / "shards")
    is_png = {
        int(line.split()[3][:6]): line.startswith("png") for path in packed.glob("*.idx") for line in path.read_text().splitlines()[1:]
    }
    keys = ShardDataset(packed).keys
    reference, loaded = (batches(3, packed, image_size="none", **options) for options in ({}, {"device": "cuda:0", "decoder": decoder}))
    for expected, got in zip(reference, loaded, strict=True):
        for sample_id, one, other in zip(expected.ids.tolist(), expected.images, got.images, strict=True):
            difference = grey_levels(one, other)
            assert difference.max() < 0.01 if is_png[int(keys[sample_id])] else difference.mean() < 3


def test_the_same_batches_come_again_bit_for_bit_and_after_a_resume(shards):
    options = {"device": "cuda:0", "augment": {"mirror": True, "crop": (0.3, 1.0), "contrast": 0.3}}
    once, again, resumed = batches(6, shards, **options), batches(6, shards, **options), batches(3, shards, start=(0, 3), **options)
    assert all(torch.equal(one.images, other.images) for one, other in zip(once, again, strict=True))
    assert all(torch.equal(one.images, other.images) for one, other in zip(once[3:], resumed, strict=True))


@pytest.mark.parametrize("backend", ["dali", "synthetic"])
def test_a_batch_costs_the_host_no_synchronisation(shards, backend):
    with open_loader(shards, device="cuda:0", backend=backend) as stream:
        for _ in range(5):
            next(stream)
        torch.cuda.synchronize()
        # torch's own waits raise; DALI's would show in the time: the device is busy for far longer than a batch takes.
        with no_waiting():
            torch.cuda._sleep(4_000_000_000)
            busy = torch.cuda.Event()
            busy.record()
            next(stream)
            assert not busy.query()


def test_a_batch_that_is_dropped_while_the_device_reads_it_stays_whole(shards):
    expected = [batch.images.clone() for batch in batches(8, shards, device="cuda:0")]
    copies = []
    with open_loader(shards, device="cuda:0") as stream:
        for _ in range(8):
            batch = next(stream)
            # The copy happens long after the host has let the batch go and asked for others.
            torch.cuda._sleep(200_000_000)
            copies.append(batch.images.clone())
            del batch
    torch.cuda.synchronize()
    assert all(torch.equal(copy, images) for copy, images in zip(copies, expected, strict=True))


def test_half_precision_is_the_rounded_single(shards):
    single, half = (batches(2, shards, device="cuda:0", dtype=dtype) for dtype in ("float32", "float16"))
    for one, other in zip(single, half, strict=True):
        assert other.images.dtype == torch.float16
        assert torch.allclose(one.images, other.images.float(), atol=2e-3)


def test_a_damaged_sample_is_skipped_on_the_gpu_as_on_the_cpu(shards, tmp_path):
    script = f"""
import shutil
from pathlib import Path
from shards.dataset import ShardDataset
from tests.loading import batches
from tests.unit.pipeline.test_dali_stream import write_gif
copy = Path(shutil.copytree({str(shards)!r}, {str(tmp_path / "copy")!r}))
write_gif(ShardDataset(copy), 11)
for check_crc in (True, False):
    loaded = batches(7, copy, device="cuda:0", on_bad_sample="skip", check_crc=check_crc)
    print([int(batch.num_skipped) for batch in loaded].count(1), sum(batch.num_skipped for batch in loaded))
"""
    # In a process of its own: a decoder that fails on a GPU may leave the device unusable.
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=240).stdout
    assert out.splitlines()[-2:] == ["1 1", "1 1"]


def test_training_repeats_itself(shards, tmp_path):
    runs = [train(shards, tmp_path / name, train__epochs=2, train__precision="bf16") for name in ("one", "two")]
    assert results(runs[0]) == results(runs[1])
    assert records(tmp_path / "one")[0]["device"] == torch.cuda.get_device_name()


def test_half_precision_pixels_train(shards, tmp_path):
    losses = [
        line["loss"]
        for line in train(shards, tmp_path / "run", train__precision="fp16", pipeline__dtype="float16")
        if line["record"] == "EpochRecord"
    ]
    assert losses[-1] < losses[0]
