"""Memory that is used again."""

import torch

from engine.pipeline.buffers import Buffers


def test_memory_is_used_again_once_nobody_holds_it():
    buffers = Buffers((4, 3), torch.float32)
    first, second = buffers.take(), buffers.take()
    assert first.shape == (4, 3)
    assert first.dtype == torch.float32
    assert first.data_ptr() != second.data_ptr()
    address = first.data_ptr()
    del first
    assert buffers.take().data_ptr() == address


def test_only_a_few_pieces_are_kept():
    buffers = Buffers((2,), torch.float32)
    held = [buffers.take() for _ in range(20)]
    held.clear()
    assert len(buffers._free) == 4


def test_a_view_keeps_the_memory():
    buffers = Buffers((4, 3), torch.float16)
    whole = buffers.take()
    address, row = whole.data_ptr(), whole[2]
    del whole
    held = [buffers.take() for _ in range(3)]
    assert address not in [tensor.data_ptr() for tensor in held]
    del row
    assert buffers.take().data_ptr() == address
