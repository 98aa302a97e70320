"""The end of the pipeline on a CPU; what comes out is compared in test_graph.py and test_torch_stream.py."""

import numpy as np
import torch

from engine.pipeline.augmentation import Variation
from engine.pipeline.finisher import Finisher
from engine.pipeline.imagenet import MEAN, STD

PLAIN = Variation(mirror=np.zeros(6, np.int32), boxes=None, colours=None)


def test_its_threads_do_not_share_their_work_out_again_whatever_torch_is_told():
    before = torch.get_num_threads()
    finisher = Finisher(batch_size=6, size=(8, 8), dtype=torch.float32, channels_last=False, num_threads=2)
    try:
        torch.set_num_threads(2)
        finisher(torch.zeros(6, 8, 8, 3, dtype=torch.uint8), PLAIN)
        assert {future.result() for future in [finisher._threads.submit(torch.get_num_threads) for _ in range(8)]} == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        finisher.close()


def test_pixels_worked_out_by_hand():
    finisher = Finisher(batch_size=6, size=(1, 2), dtype=torch.float32, channels_last=True, num_threads=1)
    pixels = torch.tensor([[[10, 20, 30], [40, 50, 60]]], dtype=torch.uint8).expand(6, 1, 2, 3)
    mirror = np.array([0, 1, 0, 0, 1, 0], np.int32)
    images = finisher(pixels, Variation(mirror=mirror, boxes=None, colours=None))
    finisher.close()
    levels = images * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    straight = torch.tensor([[[10.0, 40]], [[20, 50]], [[30, 60]]])
    for image, flip in zip(levels, mirror, strict=True):
        assert torch.allclose(image, straight.flip(-1) if flip else straight, atol=1e-4)
