"""What only a GPU can show. Skipped without CUDA."""

import numpy as np
import pytest
import torch

from engine.config import PipelineConfig
from engine.pipeline.loader import Loader, Place
from engine.pipeline.order import Order
from shards.dataset import ShardDataset
from tests.integration.conftest import records, results, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def loader(shards, device: str, **options) -> Loader:
    dataset = ShardDataset(shards)
    order = Order(ids=dataset.split_range("train"), batch_size=8, seed=3, shuffle=True)
    place = Place(rank=0, world_size=1, device=torch.device(device))
    return Loader(dataset, order, np.array([39, 8]), PipelineConfig(image_size=64, **options), place)


@pytest.mark.parametrize("decoder", ["auto", "cpu"])
def test_decoding_on_the_gpu_agrees_with_the_cpu(shards, decoder):
    with loader(shards, "cpu") as reference, loader(shards, "cuda:0", decoder=decoder) as stream:
        for _ in range(6):
            expected, got = next(reference), next(stream)
            assert got.images.device.type == "cuda"
            assert torch.equal(got.ids, expected.ids)
            assert torch.equal(got.labels.cpu(), expected.labels)
            # nvJPEG and libjpeg-turbo differ in rounding and in how they interpolate colour; a grey level is 0.017 here.
            assert (got.images.cpu() - expected.images).abs().mean() < 0.05


def test_a_batch_costs_the_host_no_synchronisation(shards):
    with loader(shards, "cuda:0") as stream:
        next(stream)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(5):
                next(stream)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_training_repeats_itself(shards, tmp_path):
    runs = [train(shards, tmp_path / name, train__epochs=2, train__precision="bf16") for name in ("one", "two")]
    assert results(runs[0]) == results(runs[1])
    assert records(tmp_path / "one")[0]["device"] == torch.cuda.get_device_name()
