"""The GPU's memory as a whole: DALI's pools are not torch's. Nothing else may use the GPU meanwhile. Skipped without CUDA."""

import statistics

import pytest
import torch

from tests.loading import open_loader

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

BATCH_BYTES = 8 * 3 * 224 * 224 * 4


def test_gpu_memory_does_not_grow(shards):
    used = []
    with open_loader(shards, device="cuda:0", image_size=224, augment={"mirror": True, "crop": (0.3, 1.0)}) as stream:
        for number in range(1000):
            next(stream)
            if number % 50 == 49:
                torch.cuda.synchronize()
                free, total = torch.cuda.mem_get_info()
                used.append(total - free)
    # DALI frees batches that are let go in a thread of its own, some late. A batch in ten that stayed would be 40 of them.
    assert statistics.median(used[-5:]) - statistics.median(used[5:10]) < 10 * BATCH_BYTES
