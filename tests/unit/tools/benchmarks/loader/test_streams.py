"""The same work for everybody: each contender delivers the same images, with their labels, as the same kind of tensors."""

import dataclasses
import importlib
import itertools
from pathlib import Path

import pytest
import torch

from shards.dataset import ShardDataset
from tests.unit.tools.benchmarks.loader.conftest import BATCH_SIZE, IMAGE_SIZE, NUM_IMAGES
from tools.benchmarks.loader.contenders import CONTENDERS, DECODING, READING, why_absent
from tools.benchmarks.loader.convert import convert

BY_NAME = {contender.name: contender for contender in (*CONTENDERS, DECODING, READING)}


def opened(name, work):
    """Open a stream in this process: whoever works in processes does so without any."""
    contender = BY_NAME[name]
    module, _, function = contender.function.partition(":")
    threads = work.threads if contender.works_in == "threads" else 0
    return getattr(importlib.import_module(module), function)(dataclasses.replace(work, threads=threads))


def check_an_epoch(name, work, references):
    dataset = ShardDataset(Path(work.shards))
    seen = []
    with opened(name, work) as stream:
        for images, labels in itertools.islice(stream, NUM_IMAGES // BATCH_SIZE):
            assert (images.shape, images.dtype) == ((BATCH_SIZE, 3, IMAGE_SIZE, IMAGE_SIZE), torch.float32)
            assert images.is_contiguous(memory_format=torch.channels_last if name == "channels-last" else torch.contiguous_format)
            assert (labels.shape, labels.dtype) == ((BATCH_SIZE, 40), torch.int8)
            distances = (images[:, None] - references).abs().mean((2, 3, 4))
            ids = distances.argmin(1)
            # Decoders and filters differ by a few steps of 255; another picture is far away.
            assert distances.min(1).values.max() < 0.06
            assert labels.tolist() == dataset.labels[ids.numpy()].tolist()
            seen += ids.tolist()
    return seen


# webdataset leaves it to the garbage collector to close a tar that was not read to its end.
WEBDATASET = pytest.param("webdataset", marks=pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.mark.parametrize("name", ["dropstream", "channels-last", "torch", WEBDATASET])
def test_an_epoch_has_every_image_once_with_its_labels(work, references, name):
    seen = check_an_epoch(name, work, references)
    assert sorted(seen) == list(range(NUM_IMAGES))
    assert seen != sorted(seen)


def test_dalis_reader_gives_the_same_images_in_its_own_order(work, references):
    # Its buffer is larger than this data set, and what it holds is several epochs.
    assert len(set(check_an_epoch("dali", work, references))) > BATCH_SIZE


@pytest.mark.filterwarnings("default")
def test_litdata_gives_every_image_once(work, references):
    pytest.importorskip("litdata")
    if not Path(work.litdata).exists():
        convert(work, Path(work.litdata))
    assert sorted(check_an_epoch("litdata", work, references)) == list(range(NUM_IMAGES))


@pytest.mark.filterwarnings("default")
def test_spdl_gives_every_image_once(work, references):
    pytest.importorskip("spdl.io")
    if reason := why_absent(BY_NAME["spdl"]):
        pytest.skip(reason)
    threads = torch.get_num_threads()
    try:
        assert sorted(check_an_epoch("spdl", work, references)) == list(range(NUM_IMAGES))
    finally:
        torch.set_num_threads(threads)


def test_decoding_alone_counts_images(work):
    with opened(DECODING.name, work) as stream:
        assert [len(images) for images, _ in itertools.islice(stream, 3)] == [NUM_IMAGES] * 3


def test_reading_alone_gives_the_bytes_of_an_epochs_images(work):
    dataset = ShardDataset(Path(work.shards))
    with opened(READING.name, work) as stream:
        batches = list(itertools.islice(stream, 2 * NUM_IMAGES // BATCH_SIZE))
    files = sorted(Path(work.faces, "img_align_celeba").iterdir())
    for epoch in (batches[: len(batches) // 2], batches[len(batches) // 2 :]):
        read = [image.tobytes() for images, _ in epoch for image in images]
        assert sorted(read) == sorted(path.read_bytes() for path in files)
    assert len(dataset) == NUM_IMAGES
