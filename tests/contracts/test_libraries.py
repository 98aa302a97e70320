"""What this project relies on in its libraries; where one of these fails after an upgrade, more than a test is broken."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from nvidia.dali import Pipeline, fn

from engine.pipeline.batch import Batch


class Stream:
    """Any iterable that is not a torch DataLoader."""

    def __iter__(self):
        return iter(())


def test_accelerate_leaves_a_loader_that_is_not_torchs_alone():
    stream = Stream()
    assert Accelerator(cpu=True).prepare(stream) is stream


def test_dali_asks_its_source_for_batch_after_batch_and_hands_out_its_memory_without_a_copy():
    asked = []

    def source(info):
        asked.append(info.iteration)
        return [np.full((2, 2), info.iteration, np.float32)] * 3

    pipeline = Pipeline(batch_size=3, num_threads=1, device_id=None, prefetch_queue_depth=2, exec_dynamic=True)
    with pipeline:
        pipeline.set_outputs(fn.external_source(source=source, batch=True, batch_info=True))
    pipeline.build()
    tensors = []
    for _ in range(6):
        (output,) = pipeline.run()
        dense = output.as_tensor()
        tensors.append(torch.from_dlpack(dense))
        assert tensors[-1].data_ptr() == dense.data_ptr()
    assert asked == list(range(len(asked)))
    assert [tensor.unique().tolist() for tensor in tensors] == [[float(number)] for number in range(6)]


def test_adam_leaves_a_parameter_without_gradient_bit_unchanged():
    weights = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weights], weight_decay=0.1, fused=True)
    weights.grad = torch.ones(3)
    optimizer.step()
    before = weights.detach().clone()
    weights.grad = None
    optimizer.step()
    assert torch.equal(weights, before)


def test_batch_annotations_are_checked_while_tests_run():
    arguments = {
        "labels": torch.zeros(2, 3, dtype=torch.int8),
        "ids": torch.arange(2),
        "num_valid": 2,
        "num_skipped": 0,
        "num_labelled": torch.ones(3),
        "has_labels": np.ones(3, np.bool_),
    }
    Batch(images=torch.zeros(2, 3, 4, 4), **arguments)
    with pytest.raises(TypeError, match="labels"):
        Batch(images=torch.zeros(5, 3, 4, 4), **arguments)
