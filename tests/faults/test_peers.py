"""What other libraries do with the same faults: the last table of docs/reliability.md. Whoever mends theirs makes a test here fail."""

import contextlib
import io
import logging
import os
import random
import signal
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch
import webdataset
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from nvidia.dali import fn, pipeline_def
from PIL import Image

from shards.tar import BLOCK
from tests.damage import samples

NUM_FLIPS = 100


@pytest.fixture
def cut(copy):
    """A tar of which only the first samples are left, cut exactly between two members; how many they are, and its old index."""
    tar = copy / "train-000001.tar"
    kept = samples(tar)[: len(samples(tar)) // 2]
    os.truncate(tar, kept[-1].labels.data_at + BLOCK)
    return tar, len(kept)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_tar_that_is_cut_between_members_is_a_shorter_one_for_webdataset_and_dali(cut):
    tar, num_kept = cut
    assert sum(1 for _ in webdataset.WebDataset([str(tar)], shardshuffle=False)) == num_kept

    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def without_index():
        return fn.readers.webdataset(paths=[str(tar)], ext=["jpg"], name="reader")

    pipeline = without_index()
    pipeline.build()
    assert pipeline.epoch_size("reader") == num_kept


def flipped(jpeg: bytes, rng: random.Random) -> bytes:
    """A JPEG with one bit of its scan flipped."""
    damaged = bytearray(jpeg)
    scan = damaged.index(b"\xff\xda") + 14
    damaged[rng.randrange(scan, len(damaged) - 2)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def with_pillow(jpeg: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def with_dali(jpeg: bytes) -> np.ndarray:
    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def decoding():
        return fn.decoders.image(fn.external_source(source=lambda: [np.frombuffer(jpeg, np.uint8)]))

    pipeline = decoding()
    pipeline.build()
    return np.array(pipeline.run()[0].at(0))


@pytest.mark.parametrize("decode", [with_pillow, with_dali])
def test_of_flipped_bits_in_a_jpeg_pillow_and_dali_make_wrong_pixels(shards, decode):
    tar, rng = shards / "train-000001.tar", random.Random(0)
    data, images = tar.read_bytes(), [sample.image for sample in samples(tar)]
    wrong = refused = 0
    for _ in range(NUM_FLIPS):
        image = rng.choice(images)
        jpeg = data[image.data_at : image.data_at + image.size]
        try:
            wrong += not np.array_equal(decode(flipped(jpeg, rng)), decode(jpeg))
        except OSError:
            refused += 1
    assert (wrong, refused) == {with_pillow: (94, 6), with_dali: (100, 0)}[decode]


KILLED = """
import os, signal, sys, webdataset
writer = webdataset.ShardWriter(f"{sys.argv[1]}/%06d.tar", verbose=0)
for number in range(500):
    writer.write({"__key__": f"{number:06d}", "jpg": os.urandom(20_000)})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_shard_writer_that_is_killed_leaves_a_cut_tar_under_its_final_name(tmp_path):
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["000000.tar"]
    with tarfile.open(tmp_path / "000000.tar") as tar, pytest.raises(tarfile.ReadError):
        [tar.extractfile(entry).read() for entry in tar]


@pytest.fixture
def accelerated(tmp_path):
    """Loads the newest checkpoint that Accelerate has written, and its folder."""
    accelerator = Accelerator(cpu=True, project_config=ProjectConfiguration(project_dir=tmp_path, automatic_checkpoint_naming=True))
    model = torch.nn.Linear(4, 4)
    model, optimizer = accelerator.prepare(model, torch.optim.Adam(model.parameters()))
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    accelerator.save_state()
    return accelerator.load_state, tmp_path / "checkpoints" / "checkpoint_0"


def test_a_checkpoint_without_random_states_is_one_for_accelerate(accelerated, caplog):
    load, folder = accelerated
    (folder / "random_states_0.pkl").unlink()
    with caplog.at_level(logging.CRITICAL):
        load()


@pytest.mark.parametrize(("name", "least"), [("model.safetensors", 20), ("optimizer.bin", 30)])
def test_many_flipped_bits_in_a_checkpoint_are_loaded_by_accelerate(accelerated, name, least):
    load, folder = accelerated
    rng, whole, loaded = random.Random(0), (folder / name).read_bytes(), 0
    for _ in range(NUM_FLIPS):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(damaged)
        # Whatever it finds wrong.
        with contextlib.suppress(Exception):
            load()
            loaded += 1
    assert least < loaded < NUM_FLIPS
